'use strict'
// The Node end of benchmarks/transports.py. Options: transport (http, ws), role (server), port.

const net = require('net')
const { options, emit, serve } = require('./lines')
const { PeerRPCClient, PeerRPCServer } = require(`grenache-nodejs-${options.transport}`)

// A link that lists one place, so that no grape is measured.
const link = { start () {}, stop () {}, lookup: (key, opts, cb) => cb(null, [`127.0.0.1:${options.port}`]) }

function server () {
  const free = net.createServer().listen(0, '127.0.0.1', () => {
    const port = free.address().port
    free.close(() => {
      const peer = new PeerRPCServer(link, { timeout: 300000 })
      peer.init()
      const service = peer.transport('server')
      service.listen(port)
      service.on('request', (rid, key, payload, handler) => handler.reply(null, payload))
      serve({})
      emit('ready', { port })
    })
  })
}

function client () {
  const peer = new PeerRPCClient(link, {})
  peer.init()
  const ask = () => new Promise((resolve, reject) => {
    peer.request('bench', { hello: 'world' }, { timeout: 10000 }, (err, data) => err ? reject(err) : resolve(data))
  })
  const now = () => Number(process.hrtime.bigint()) / 1e3
  serve({
    rpc: async ({ workers, seconds }) => {
      const latencies = []
      let failed = 0
      const began = now()
      const work = async () => {
        for (let at = now(); at - began < seconds * 1e6; at = now()) {
          try {
            await ask()
            latencies.push(now() - at)
          } catch (err) {
            failed++
          }
        }
      }
      await Promise.all([...Array(workers)].map(work))
      return { latencies, failed, seconds: (now() - began) / 1e6 }
    }
  })
  emit('ready', {})
}

options.role === 'server' ? server() : client()
