'use strict'
// A Node grape. Options: dht, api (ports), host (to bind), bootstrap (["host:port"]), verify (accept mutable items).

const crypto = require('crypto')
const { Grape } = require('grenache-grape')
const { options, emit, serve, call } = require('./lines')

// What stands before the 32 bytes of a raw Ed25519 key in its DER form (RFC 8410 section 4).
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex')

function verify (signature, message, key) {
  const spki = crypto.createPublicKey({ key: Buffer.concat([ED25519_SPKI, key]), format: 'der', type: 'spki' })
  return crypto.verify(null, message, spki, signature)
}

async function main () {
  const grape = new Grape({
    host: options.host || null,
    dht_port: options.dht,
    dht_bootstrap: options.bootstrap || [],
    api_port: options.api,
    ...(options.verify ? { verify } : {})
  })
  await call(grape, 'start')
  emit('ready', { dht: options.dht, api: options.api })
  serve({
    nodes: () => grape.node.toJSON().nodes.map(({ host, port }) => `${host}:${port}`)
  })
}

main().catch((err) => {
  emit('failed', { message: String(err.message || err) })
  process.exit(1)
})
