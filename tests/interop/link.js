'use strict'
// The Node link as a command server. Options: grape (the URL of a grape's HTTP API).

const crypto = require('crypto')
const Link = require('grenache-nodejs-link')
const { options, emit, serve, call } = require('./lines')

const link = new Link({ grape: options.grape })
link.start()

const bytes = (text) => `${Buffer.byteLength(text)}:${text}` // a bencoded string

// Sign a mutable item as BEP 44 asks, with a key made here, and put it. Answers its hash and public key in hex.
async function putMutable ({ v, seq, salt }) {
  const { privateKey, publicKey } = crypto.generateKeyPairSync('ed25519')
  const signed = Buffer.from(`${salt ? '4:salt' + bytes(salt) : ''}3:seqi${seq}e1:v${bytes(v)}`)
  const k = publicKey.export({ format: 'der', type: 'spki' }).slice(-32).toString('hex')
  const sig = crypto.sign(null, signed, privateKey).toString('hex')
  return { k, hash: await call(link, 'put', { v, k, sig, seq, ...(salt ? { salt } : {}) }) }
}

serve({
  lookup: ({ name }) => call(link, 'lookup', name),
  announce: ({ name, port }) => call(link, 'announce', name, port, {}),
  put: ({ item }) => call(link, 'put', item),
  get: ({ hash }) => call(link, 'get', hash),
  putMutable
})
emit('ready', {})
