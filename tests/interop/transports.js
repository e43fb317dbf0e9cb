'use strict'
// A Node peer over HTTP or WebSocket. Options: grape (URL), kind ("http" or "ws"), secure ({key, cert, ca}, in PEM).

const fs = require('fs')
const Link = require('grenache-nodejs-link')
const { options, emit, serve, call } = require('./lines')

const { PeerRPCClient, PeerRPCServer, PeerPub, PeerSub } = require(`grenache-nodejs-${options.kind}`)

const link = new Link({ grape: options.grape })
link.start()

const read = (name) => fs.readFileSync(options.secure[name])
const secure = options.secure && {
  key: read('key'),
  cert: read('cert'),
  ca: read('ca'),
  requestCert: true,
  rejectUnauthorized: false
}
const conf = secure ? { secure } : {}
const served = []

// Be a server under a name. A payload with `fail` is answered with that error, any other one sent back.
async function listen ({ name, port }) {
  const peer = new PeerRPCServer(link, {
    timeout: 300000,
    ...(secure ? { secure: { ...secure, verifyClient: (info, cb) => cb(true) } } : {})
  })
  peer.init()
  const service = peer.transport('server')
  service.listen(port)
  service.on('request', (rid, key, payload, handler, cert) => {
    served.push(cert && cert.fingerprint256 ? cert.fingerprint256 : null)
    if (payload && payload.fail) handler.reply(new Error(payload.fail))
    else handler.reply(null, { key, payload })
  })
  await call(link, 'announce', name, port, {})
}

// Be a server of streams: every byte is sent back.
async function listenStream ({ name, port }) {
  const peer = new PeerRPCServer(link, { timeout: 300000, disableBuffered: true })
  peer.init()
  const service = peer.transport('server')
  service.listen(port)
  service.on('stream', (req, res) => req.pipe(res))
  await call(link, 'announce', name, port, {})
}

const client = () => {
  if (!client.peer) {
    client.peer = new PeerRPCClient(link, conf)
    client.peer.init()
  }
  return client.peer
}

// Send so many bytes to a stream of a name, and count those that come.
function stream ({ name, bytes, headers }) {
  return new Promise((resolve, reject) => {
    const both = client().stream(name, { timeout: 60000, headers: headers || {} })
    let received = 0
    let first = Buffer.alloc(0)
    both.on('data', (data) => {
      received += data.length
      if (first.length < 64) first = Buffer.concat([first, data.subarray(0, 64 - first.length)])
    })
    both.on('end', () => resolve({ received, first: first.toString() }))
    both.on('error', reject)
    const piece = Buffer.alloc(65536, 'a')
    let left = bytes
    const go = () => {
      while (left > 0) {
        const part = piece.subarray(0, Math.min(left, piece.length))
        left -= part.length
        if (!both.write(part)) return both.once('drain', go)
      }
      both.end()
    }
    go()
  })
}

let heard = []

serve({
  listen,
  listenStream,
  stream,
  served: () => served,
  request: ({ name, payload, opts }) => call(client(), 'request', name, payload, { timeout: 10000, ...opts }),
  map: ({ name, payload }) => call(client(), 'map', name, payload, { timeout: 10000 }),
  many: ({ name, count }) => Promise.all(
    [...Array(count).keys()].map((n) => call(client(), 'request', name, n, { timeout: 20000 }))
  ),
  publish: async ({ name, port }) => {
    const peer = new PeerPub(link, {})
    peer.init()
    const service = peer.transport('server')
    service.listen(port)
    await call(link, 'announce', name, port, {})
    setInterval(() => service.pub('wörld'), 50)
  },
  subscribe: ({ name }) => {
    const peer = new PeerSub(link, {})
    peer.init()
    peer.on('message', (message) => heard.push(String(message)))
    peer.sub(name, { timeout: 10000 })
  },
  heard: () => heard
})
emit('ready', {})
