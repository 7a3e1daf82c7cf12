import { randomBytes } from 'node:crypto'

/** An id that no one can guess and that sorts by its time: `PREFIX` + 48 bits of milliseconds + 96 random bits, in hexadecimal. */
export function newId(prefix: string, time = Date.now()): string {
  return `${prefix}${time.toString(16).padStart(12, '0')}${randomBytes(12).toString('hex')}`
}
