'use strict'
// Every script here talks JSON lines: options in argv[2], commands on stdin, events on stdout.
// A closed stdin ends the process, so none of them can outlive the test that started it.

const readline = require('readline')

const options = JSON.parse(process.argv[2] || '{}')

function emit (event, fields) {
  process.stdout.write(JSON.stringify({ event, ...fields }) + '\n')
}

// `commands` maps a name to async (arguments) => result; each answer carries the command's id.
function serve (commands) {
  const input = readline.createInterface({ input: process.stdin })
  input.on('line', async (line) => {
    const { id, name, args } = JSON.parse(line)
    try {
      const result = await commands[name](args)
      emit('answer', { id, error: null, result: result === undefined ? null : result })
    } catch (err) {
      emit('answer', { id, error: String(err.message || err), result: null })
    }
  })
  input.on('close', () => process.exit(0))
}

// Turn a method that takes (…, callback) into a promise.
function call (object, method, ...args) {
  return new Promise((resolve, reject) => {
    object[method](...args, (err, result) => err ? reject(err) : resolve(result))
  })
}

module.exports = { options, emit, serve, call }
