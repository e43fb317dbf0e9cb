'use strict'
// What grenache-nodejs-base needs of a package that only git has.

exports.sample = (items) => items[Math.floor(Math.random() * items.length)]

exports.shuffle = (items) => {
  const mixed = [...items]
  for (let at = mixed.length - 1; at > 0; at--) {
    const other = Math.floor(Math.random() * (at + 1))
    ;[mixed[at], mixed[other]] = [mixed[other], mixed[at]]
  }
  return mixed
}
