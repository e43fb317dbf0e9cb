'use strict'
// Nodes of a private Mainline by bittorrent-dht, one for each of `nodes`: {host, habit}. They join by `bootstrap`
// ("HOST:PORT", of the lab; none: they only know each other), and `bogus` is where addresses are that liars invent.
//
// Habits: plain; slow, which answers after 2 s; lying, with wrong tokens, wrong values and nodes that are not there;
// banning, which answers nobody for 300 s after more than 5 packets a second over 10 s, as libtorrent does.
// All of them count what each host sends them.

const crypto = require('crypto')
const DHT = require('bittorrent-dht')
const rpcSocket = require('k-rpc-socket')
const { options, emit, serve, call } = require('./lines')

const PORT = 6881
const SLOW = 2000 // ms
const WINDOW = 10 // seconds
const BANNED_ABOVE = 5 // packets a second over the window
const BANNED_FOR = 300 // seconds
const PREFIX = Buffer.from('302a300506032b6570032100', 'hex') // of an Ed25519 key in DER (RFC 8410)
const PRIVATE = Buffer.from('302e020100300506032b657004220420', 'hex')
const hosts = new Map() // by source host: {times, most, banned}

function verify (signature, message, key) {
  const made = crypto.createPublicKey({ key: Buffer.concat([PREFIX, key]), format: 'der', type: 'spki' })
  return crypto.verify(null, message, made, signature)
}

// Count a packet; return whether its sender is banned here.
function counted (seen, host, now) {
  const entry = seen.get(host) || { times: [], most: 0, until: 0 }
  seen.set(host, entry)
  entry.times = entry.times.filter((at) => now - at < WINDOW)
  entry.times.push(now)
  entry.most = Math.max(entry.most, entry.times.length / WINDOW)
  if (entry.times.length > BANNED_ABOVE * WINDOW) entry.until = now + BANNED_FOR
  return entry.until > now
}

function invented (target) {
  const nodes = []
  for (let number = 0; number < 8; number++) {
    const place = Buffer.from([...options.bogus, crypto.randomInt(1, 255), 0x1e, 0x61])
    nodes.push(Buffer.concat([target.subarray(0, 3), crypto.randomBytes(17), place]))
  }
  return Buffer.concat(nodes)
}

// What a liar says instead of `answer`.
function lie (query, answer) {
  const target = query.a.target || query.a.info_hash
  if (!target) return answer
  const said = { ...answer, nodes: invented(target), token: crypto.randomBytes(20) }
  if (String(query.q) === 'get_peers') {
    said.values = Array.from({ length: 50 }, () => Buffer.from([...options.bogus, crypto.randomInt(1, 255), 0x1e, 0x62]))
  }
  if (String(query.q) === 'get') {
    const key = answer.k || crypto.randomBytes(32)
    Object.assign(said, { v: crypto.randomBytes(300), k: key, sig: crypto.randomBytes(64), seq: 2 ** 40 })
  }
  return said
}

function make ({ host, habit }) {
  const socket = rpcSocket()
  const { response, emit: tell } = socket
  const seen = new Map()
  const node = { host, habit, seen, announced: new Set() }
  socket.emit = function (name, ...rest) {
    const banned = name === 'query' && counted(seen, rest[1].address, Date.now() / 1000)
    return banned && habit === 'banning' ? true : tell.call(this, name, ...rest)
  }
  socket.response = function (peer, query, answer, done) {
    const said = habit === 'lying' ? lie(query, answer) : answer
    if (habit === 'slow') setTimeout(() => this.destroyed || response.call(this, peer, query, said, done), SLOW)
    else response.call(this, peer, query, said, done)
  }
  const first = hosts.size === 0 && !options.bootstrap.length
  node.dht = new DHT({
    krpcSocket: socket,
    verify,
    bootstrap: first ? false : options.bootstrap.length ? options.bootstrap : [`${options.nodes[0].host}:${PORT}`]
  })
  node.dht.on('error', (error) => emit('failed', { reason: String(error) }))
  node.dht.on('announce', (peer, hash) => node.announced.add(hash.toString('hex')))
  hosts.set(host, node)
  return node
}

const nodes = options.nodes.map(make)
const plain = () => nodes.find((node) => node.habit === 'plain')
const buffer = (hex) => Buffer.from(hex, 'hex')

function target (key) {
  return crypto.createHash('sha1').update(key).digest()
}

serve({
  // Store a mutable item; return by how many nodes it was taken.
  async put ({ seed, value, seq }) {
    const made = crypto.createPrivateKey({ key: Buffer.concat([PRIVATE, buffer(seed)]), format: 'der', type: 'pkcs8' })
    const k = crypto.createPublicKey(made).export({ format: 'der', type: 'spki' }).subarray(PREFIX.length)
    const sign = (data) => crypto.sign(null, data, made)
    return new Promise((resolve, reject) => {
      plain().dht.put({ k, v: buffer(value), seq, sign }, (err, _hash, count) => err ? reject(err) : resolve(count))
    })
  },
  // Read a mutable item from the others.
  async get ({ key }) {
    return new Promise((resolve, reject) => {
      plain().dht.get(target(buffer(key)), { cache: false }, (err, found) => err
        ? reject(err)
        : resolve(found && { seq: found.seq, value: found.v.toString('hex') }))
    })
  },
  async ring ({ hash }) {
    await call(plain().dht, 'announce', buffer(hash), 0)
  },
  async peers ({ hash }) {
    const found = new Set()
    const note = (peer) => found.add(`${peer.host}:${peer.port}`)
    plain().dht.on('peer', note)
    await call(plain().dht, 'lookup', buffer(hash))
    plain().dht.off('peer', note)
    return [...found]
  },
  // How many nodes of each habit hold the item of a key, and were told of a hash; without them: of any.
  async held ({ key, hash }) {
    const sums = {}
    for (const { habit, dht, announced } of nodes) {
      const sum = sums[habit] = sums[habit] || { nodes: 0, items: 0, announces: 0 }
      const { values } = dht.toJSON()
      sum.nodes++
      sum.items += Number(key ? target(buffer(key)).toString('hex') in values : Object.keys(values).length > 0)
      sum.announces += Number(hash ? announced.has(hash) : announced.size > 0)
    }
    return sums
  },
  // The most packets a second over 10 s that each host sent to one node, and how many nodes banned it.
  async rates () {
    const found = {}
    for (const { seen } of nodes) {
      for (const [host, { most, until }] of seen) {
        const entry = found[host] = found[host] || { most: 0, bans: 0 }
        entry.most = Math.max(entry.most, most)
        entry.bans += Number(until > 0)
      }
    }
    return found
  }
})

async function main () {
  await Promise.all(nodes.map(({ host, dht }) => new Promise((resolve) => dht.listen(PORT, host, resolve))))
  for (const { dht } of nodes) {
    for (const { host } of options.nodes) dht.addNode({ host, port: PORT })
  }
  const until = Date.now() + 20000
  const enough = Math.min(8, nodes.length - 1)
  while (Date.now() < until && nodes.some(({ dht }) => dht.nodes.count() < enough)) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  emit('ready', { nodes: nodes.map(({ dht }) => dht.nodes.count()) })
}

main()
