import { randomBytes } from 'node:crypto'

/** The id made last: those of one millisecond are counted. */
let last = { time: 0, count: 0 }

/**
 * An id that no one can guess and that sorts by its making: `PREFIX` + 48 bits of milliseconds, 16 that count the ids of one
 * millisecond in this process, and 80 random bits, in hexadecimal (as RFC 9562, section 6.2, does for UUIDs of version 7).
 */
export function newId(prefix: string, time = Date.now()): string {
  last = { time, count: time === last.time ? last.count + 1 : 0 }
  return `${prefix}${time.toString(16).padStart(12, '0')}${(last.count & 0xffff).toString(16).padStart(4, '0')}${randomBytes(10).toString('hex')}`
}
