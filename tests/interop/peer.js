'use strict'
// A Grenache peer on libutp, with the habits of the Node transport: one UDP socket for punches and every connection;
// messages are bare JSON, and each packet that arrives is taken for one whole message.
//
// Options: role (see ROLES), host and port to bind, grape (URL), service, length, delay (ms a served request takes).
// Commands: see the end.

const crypto = require('crypto')
const Link = require('grenache-nodejs-link')
const utp = require('utp-native')
const { options, emit, serve, call } = require('./lines')

const PUNCH = Buffer.from('ÿ')
const TICK = 1000 // ms; how often the demo announces and looks up
const REQUEST_TIMEOUT = 10000 // ms; the demo's

const socket = utp({ allowHalfOpen: true })
const link = options.grape ? new Link({ grape: options.grape }) : null
const clients = new Map() // "host:port" -> { connection, waiting: rid -> {resolve, reject} }
let serving = 0
let registered = null // what the broker said to a client

function split (address) {
  const [host, port] = address.split(':')
  return [host, Number(port)]
}

function punch (address) {
  const [host, port] = split(address)
  socket.send(PUNCH, 0, PUNCH.length, port, host, () => {})
  emit('punch-sent', { to: address })
}

// One packet, one message: what does not parse is dropped, and its caller waits for the time-out.
function parse (packet) {
  try {
    return JSON.parse(packet.toString())
  } catch (err) {
    emit('unparsed', { bytes: packet.length })
    return null
  }
}

// ---- RPC, the serving side

function fibonacci ({ length }) {
  const sequence = []
  for (let i = 0; i < length; i++) sequence.push(i < 2 ? 1 : sequence[i - 1] + sequence[i - 2])
  return sequence
}

function serveRpc (connection, handler) {
  connection.on('data', (packet) => {
    const message = parse(packet)
    if (!message) return
    const [rid, key, payload] = message
    serving++
    emit('request', { from: `${connection.remoteAddress}:${connection.remotePort}`, key, payload, serving })
    // a later turn of the loop, as a real handler's: this is what makes concurrency visible
    setTimeout(() => {
      serving--
      connection.write(JSON.stringify([rid, null, handler(payload, connection)]))
    }, options.delay || 0)
  })
  connection.on('end', () => connection.end())
}

// ---- RPC, the asking side

function client (address) {
  const known = clients.get(address)
  if (known) return known
  const [host, port] = split(address)
  const connection = socket.connect(port, host)
  const fresh = { connection, waiting: new Map() }
  clients.set(address, fresh)
  connection.on('data', (packet) => {
    const message = parse(packet)
    if (!message) return
    const [rid, err, result] = message
    const caller = fresh.waiting.get(rid)
    if (!caller) return
    fresh.waiting.delete(rid)
    err ? caller.reject(new Error(err)) : caller.resolve(result)
  })
  connection.on('error', () => {})
  connection.on('close', () => {
    clients.delete(address)
    for (const caller of fresh.waiting.values()) caller.reject(new Error('ERR_TRANSPORT_CLOSE'))
  })
  return fresh
}

function request (address, key, payload, timeout = REQUEST_TIMEOUT) {
  const { connection, waiting } = client(address)
  const rid = crypto.randomUUID()
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      waiting.delete(rid)
      reject(new Error('ERR_TIMEOUT'))
    }, timeout)
    const done = (settle) => (value) => { clearTimeout(timer); settle(value) }
    waiting.set(rid, { resolve: done(resolve), reject: done(reject) })
    connection.write(JSON.stringify([rid, key, payload]))
  })
}

// ---- streams

// AES in counter mode over zeros: bytes that no compressor or lucky repetition can fake, at memory speed.
function noise () {
  const cipher = crypto.createCipheriv('aes-128-ctr', crypto.randomBytes(16), Buffer.alloc(16))
  return (bytes) => cipher.update(Buffer.alloc(bytes))
}

async function pour (connection, bytes) {
  const next = noise()
  const sum = crypto.createHash('sha256')
  for (let left = bytes; left > 0;) {
    const chunk = next(Math.min(left, 65536))
    left -= chunk.length
    sum.update(chunk)
    await new Promise((resolve, reject) => connection.write(chunk, (err) => err ? reject(err) : resolve()))
  }
  connection.end()
  return { bytes, sha256: sum.digest('hex') }
}

function swallow (connection) {
  const sum = crypto.createHash('sha256')
  let bytes = 0
  connection.on('data', (chunk) => {
    bytes += chunk.length
    sum.update(chunk)
  })
  return new Promise((resolve, reject) => {
    connection.on('error', reject)
    connection.on('end', () => {
      connection.end()
      resolve({ bytes, sha256: sum.digest('hex') })
    })
  })
}

// ---- the broker of examples/nat_w_broker: who else wants or offers a service, and from where its packets come

const BROKER = 'fibo_broker'
const KEPT = 15000 // ms after a registration
const ENTRIES = 500
const REGISTER = 2000 // ms between a worker's registrations
const entries = new Map() // md5 of an entry -> { entry, until }

const now = () => Date.now() / 1000

function register ({ service, server }, { remoteAddress, remotePort }) {
  const entry = { service, server, address: remoteAddress, port: remotePort }
  const key = crypto.createHash('md5').update(JSON.stringify(entry)).digest('hex')
  for (const [known, { until }] of entries) if (until < Date.now()) entries.delete(known)
  if (!entries.has(key)) emit('registered', { ...entry, at: now() })
  if (entries.has(key) || entries.size < ENTRIES) entries.set(key, { entry, until: Date.now() + KEPT })
  const shown = {}
  for (const [known, { entry }] of entries) if (entry.service === service) shown[known] = entry
  return { [service]: shown }
}

async function registration (server) {
  const [address] = await look(BROKER)
  if (!address) return null
  const shown = await request(address, BROKER, { service: options.service, server })
  emit('broker', { registered: 1, message: `Registered at ${address}.`, at: now() })
  return Object.values(shown[options.service] || {})
}

// ---- roles: what to do with a connection that comes in, with a punch, and every second

const quiet = () => {}

async function ask (from) {
  const started = Date.now()
  try {
    const data = await request(from, from, { length: options.length || 10 })
    emit('reply', { from, seconds: (Date.now() - started) / 1000, data, at: now() })
  } catch (err) {
    emit('error', { from, error: err.message })
  }
}

// what the demo does on finding nobody is to look again at the next tick
const look = (name) => call(link, 'lookup', name).catch(() => [])

const ROLES = {
  // behind a router: punches whoever wants it
  worker: {
    accept: (connection) => serveRpc(connection, fibonacci),
    tick: async (port) => {
      await call(link, 'announce', options.service, port, {})
      emit('announced', { service: options.service })
      const found = await look('fibonacci_consumer')
      if (found.length) punch(found[Math.floor(Math.random() * found.length)])
    }
  },
  // in the open: is punched, punches back and asks
  consumer: {
    punched: (from) => {
      punch(from)
      return ask(from)
    },
    tick: async (port) => {
      await call(link, 'announce', 'fibonacci_consumer', port, {})
      emit('announced', { service: 'fibonacci_consumer' })
    }
  },
  // the worker and the client of the simple punch: the client starts, the worker only answers
  answerer: {
    accept: (connection) => serveRpc(connection, fibonacci),
    punched: punch,
    tick: async (port) => {
      await call(link, 'announce', options.service, port, {})
      emit('announced', { service: options.service })
    }
  },
  puncher: {
    punched: ask,
    tick: async () => {
      for (const address of await look(options.service)) punch(address)
    }
  },
  broker: {
    accept: (connection) => serveRpc(connection, register),
    tick: async (port) => {
      await call(link, 'announce', BROKER, port, {})
      emit('announced', { service: BROKER })
    }
  },
  // behind a router, and so are those who want it: the broker names them, and one packet goes to each
  'broker-worker': {
    accept: (connection) => serveRpc(connection, fibonacci),
    every: REGISTER,
    tick: async () => {
      for (const { server, address, port } of await registration(true) || []) if (!server) punch(`${address}:${port}`)
    }
  },
  // says once where it is, sends nothing else, and asks whoever punches it: so its own router must let punches in
  'broker-client': {
    punched: ask,
    every: REGISTER,
    tick: async () => { registered = registered || await registration(false) }
  },
  echo: { accept: (connection) => serveRpc(connection, (payload) => payload) },
  client: {},
  sink: { accept: (connection) => swallow(connection).then((sum) => emit('swallowed', sum), quiet) },
  // its client must speak first: utp-native holds an accepted connection's output until then
  source: {
    accept: (connection) => connection.once('data', async (order) => {
      emit('poured', await pour(connection, JSON.parse(order.toString()).bytes))
    })
  },
  mirror: { accept: (connection) => connection.pipe(connection) }
}

function main () {
  const role = ROLES[options.role]
  socket.on('message', (message, from) => {
    if (!message.equals(PUNCH)) return
    const address = `${from.address}:${from.port}`
    emit('punch', { from: address })
    if (role.punched) role.punched(address)
  })
  socket.on('connection', (connection) => {
    connection.on('error', quiet)
    emit('connection', { from: `${connection.remoteAddress}:${connection.remotePort}` })
    if (role.accept) role.accept(connection)
  })
  socket.on('error', (err) => emit('error', { error: err.message }))
  socket.listen(options.port || 0, options.host || '0.0.0.0', () => {
    const { port } = socket.address()
    emit('ready', { port })
    if (!role.tick) return
    link.start()
    const tick = () => role.tick(port).catch((err) => emit('error', { error: err.message }))
    tick()
    setInterval(tick, role.every || TICK)
  })
  serve({
    punch: ({ address }) => punch(address),
    request: ({ address, key, payload, timeout }) => request(address, key, payload, timeout),
    requests: ({ address, key, payloads }) => Promise.all(payloads.map((payload) => request(address, key, payload))),
    send: ({ address, bytes }) => {
      const [host, port] = split(address)
      return pour(socket.connect(port, host), bytes)
    },
    fetch: ({ address, order }) => {
      const [host, port] = split(address)
      const connection = socket.connect(port, host)
      connection.write(JSON.stringify(order))
      return swallow(connection)
    },
    // many connections, some at once, each a few bytes long
    shorts: async ({ address, count, together, bytes }) => {
      const [host, port] = split(address)
      const one = () => new Promise((resolve, reject) => {
        const connection = socket.connect(port, host)
        connection.on('error', reject)
        connection.on('close', resolve)
        connection.on('data', quiet)
        connection.end(Buffer.alloc(bytes))
      })
      const several = async (left) => { while (left-- > 0) await one() }
      await Promise.all(Array.from({ length: together }, () => several(count / together)))
    },
    // ends its side at once, and reads on; or is gone in the middle
    halfclosed: ({ address }) => {
      const [host, port] = split(address)
      const connection = socket.connect(port, host)
      connection.end('all I say')
      return swallow(connection)
    },
    destroyed: ({ address }) => {
      const [host, port] = split(address)
      const connection = socket.connect(port, host)
      connection.on('error', quiet)
      connection.write('and gone', () => connection.destroy())
    }
  })
}

main()
