'use strict'
// A HyperDHT peer for the lab, of the release that HYPERDHT (a node_modules folder) holds. Prints JSON lines.
//
// Options (JSON): role, seconds, and
//   world: hosts (addresses of this machine; a node of the DHT listens on each)
//   listen: bootstrap            prints its key
//   connect: bootstrap, key      asks for an echo until it has one, or the time is over

const path = require('path')
const HyperDHT = require(path.join(process.env.HYPERDHT, 'hyperdht'))

const PORT = 49737 // HyperDHT's own
const PAUSE = 500 // ms between two tries
const options = JSON.parse(process.argv[2])

function emit (event, values) {
  console.log(JSON.stringify({ event, ...values }))
}

async function world () {
  const bootstrap = []
  for (const host of options.hosts) {
    const node = new HyperDHT({ ephemeral: false, firewalled: false, bootstrap, host, port: PORT })
    await node.fullyBootstrapped()
    if (bootstrap.length < 3) bootstrap.push({ host, port: PORT })
  }
  emit('ready', { bootstrap })
}

async function listen () {
  const dht = new HyperDHT({ bootstrap: options.bootstrap })
  const server = dht.createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (data) => socket.write(data))
  })
  await server.listen()
  emit('ready', { key: server.publicKey.toString('hex') })
}

function attempt (dht) {
  return new Promise((resolve) => {
    const socket = dht.connect(Buffer.from(options.key, 'hex'))
    socket.on('error', (error) => resolve(error.code || error.message))
    socket.on('open', () => socket.write(Buffer.from('echo')))
    socket.on('data', () => resolve(null))
  })
}

async function connect () {
  const dht = new HyperDHT({ bootstrap: options.bootstrap })
  await dht.fullyBootstrapped()
  const began = Date.now()
  emit('ready', {})
  let reason = 'no answer'
  setTimeout(() => end(null), options.seconds * 1000)

  function end (seconds) {
    emit('ended', { seconds, reason: seconds === null ? reason : '', punches: dht.stats.punches })
    process.exit(0)
  }

  for (;;) {
    const failed = await attempt(dht)
    if (failed === null) return end((Date.now() - began) / 1000)
    reason = failed
    await new Promise((resolve) => setTimeout(resolve, PAUSE))
  }
}

const ROLES = { world, listen, connect }
ROLES[options.role]().catch((error) => {
  emit('failed', { reason: String(error) })
  process.exit(1)
})
