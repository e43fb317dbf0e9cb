'use strict'
// The Node peer of the benchmarks: libutp with the Node transport's habits (bare JSON, one packet is one message), and
// the loops that are measured inside this process, so that no pipe is part of a figure. benchmarks/our_peer.py speaks
// the same commands. Options: role (echo, sink, mirror; without it connections are only accepted); alone (it calls from a
// socket of its own: so it can be asked to call itself, and both ends are in one process).

const crypto = require('crypto')
const path = require('path')
const interop = path.join(__dirname, '..', 'tests', 'interop')
const utp = require(require.resolve('utp-native', { paths: [interop] }))
const { options, emit, serve } = require(path.join(interop, 'lines'))

const CHUNK = crypto.randomBytes(65536)
const HELLO = Buffer.from('hello')

const socket = utp({ allowHalfOpen: true })
const caller = options.alone ? utp({ allowHalfOpen: true }) : socket
const held = []
const received = { bytes: 0, last: 0 }
const quiet = () => {}
const now = () => Number(process.hrtime.bigint()) // CLOCK_MONOTONIC, the same clock for every process here

function parse (packet) {
  try {
    return JSON.parse(packet.toString())
  } catch (err) {
    return null // the Node transport drops what is not one whole message
  }
}

const ROLES = {
  echo: (connection) => {
    connection.on('data', (packet) => {
      const message = parse(packet)
      if (message) connection.write(JSON.stringify([message[0], null, message[2]]))
    })
    connection.on('end', () => connection.end())
  },
  sink: (connection) => {
    connection.on('data', (chunk) => {
      received.bytes += chunk.length
      received.last = now()
    })
    connection.on('end', () => connection.end())
  },
  mirror: (connection) => {
    connection.on('data', (chunk) => connection.write(chunk))
    connection.on('end', () => connection.end())
  }
}

function connect (address) {
  const [host, port] = address.split(':')
  const connection = caller.connect(Number(port), host)
  connection.on('error', quiet)
  return connection
}

// `workers` loops over one connection, each asking again once answered, for `seconds`.
async function rpc ({ address, workers, seconds, timeout }) {
  const connection = connect(address)
  const waiting = new Map()
  const latencies = []
  let failed = 0
  connection.on('data', (packet) => {
    const message = parse(packet)
    const done = message && waiting.get(message[0])
    if (done) done(true)
  })
  const ask = () => new Promise((resolve) => {
    const rid = crypto.randomUUID()
    const done = (answered) => {
      clearTimeout(timer)
      waiting.delete(rid)
      resolve(answered)
    }
    const timer = setTimeout(done, timeout * 1000, false)
    waiting.set(rid, done)
    connection.write(JSON.stringify([rid, 'bench', { length: 10 }]))
  })
  if (workers === 1) await ask() // not the connecting
  const began = now()
  const until = began + seconds * 1e9
  const work = async () => {
    while (now() < until) {
      const asked = now()
      if (await ask()) latencies.push(Math.round((now() - asked) / 1000))
      else failed++
    }
  }
  await Promise.all(Array.from({ length: workers }, work))
  return { seconds: (now() - began) / 1e9, latencies, failed }
}

// Write `bytes` in all over `streams` connections; answers when it began, at once.
function pour ({ address, bytes, streams }) {
  const began = now()
  const one = async (connection) => {
    for (let left = bytes / streams; left > 0; left -= CHUNK.length) {
      const chunk = left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK
      await new Promise((resolve) => connection.write(chunk, resolve))
    }
    connection.end()
  }
  for (let i = 0; i < streams; i++) one(connect(address)).catch(quiet)
  return { began }
}

const hello = (address) => new Promise((resolve, reject) => {
  const connection = connect(address)
  connection.once('data', () => resolve(connection))
  connection.once('error', reject)
  connection.write(HELLO)
})

// Connect, say a word, hear it back, close: again and again.
async function connections ({ address, workers, seconds }) {
  const began = now()
  const until = began + seconds * 1e9
  let made = 0
  let failed = 0
  const work = async () => {
    while (now() < until) {
      try {
        (await hello(address)).end()
        made++
      } catch (err) {
        failed++
      }
    }
  }
  await Promise.all(Array.from({ length: workers }, work))
  return { seconds: (now() - began) / 1e9, made, failed }
}

async function hold ({ address, count }) {
  while (held.length < count) {
    const more = Array.from({ length: Math.min(16, count - held.length) }, () => hello(address))
    held.push(...await Promise.all(more))
  }
  return { held: held.length }
}

socket.on('connection', (connection) => {
  connection.on('error', quiet)
  const accept = ROLES[options.role]
  if (accept) accept(connection)
})
socket.on('error', quiet)
caller.on('error', quiet)
socket.listen(0, '127.0.0.1', () => emit('ready', { port: socket.address().port }))
serve({
  rpc,
  pour,
  connections,
  hold,
  received: () => received,
  settle: () => { if (global.gc) global.gc() }
})
