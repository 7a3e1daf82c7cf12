/** One process at a time: a file that names its holder, and that outlives the holder's death only on paper. */
import { randomUUID } from 'node:crypto'
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { z } from 'zod'
import { UserError, messageOf } from '../errors.ts'
import { codeOf } from '../files.ts'

export interface Lock {
  /** Gives the lock back. More than once does no harm. */
  release(): void
}

const Holder = z.object({
  host: z.string(),
  pid: z.int().positive(),
  /** When the process began, where the system tells: process ids are given out again, in containers at once. */
  started: z.string().optional(),
})
type Holder = z.infer<typeof Holder>

/**
 * Takes the lock at `path`. The lock of a process that is no longer there is taken over.
 *
 * Throws a UserError that names the holder if another process, or another run in this one, has it. A holder on
 * another machine (a shared file system) counts as living: whether it does cannot be seen from here.
 */
export function acquireLock(path: string): Lock {
  const text = JSON.stringify({ ...self(), token: randomUUID() })
  if (!tryTake(path, text)) {
    const held = readLock(path)
    if (held?.holder !== undefined && isAlive(held.holder)) throw busy(path, held.holder)
    if (held !== undefined) removeStale(path, held.text)
    if (!tryTake(path, text)) throw busy(path, readLock(path)?.holder)
  }
  return {
    release() {
      if (readLock(path)?.text === text) rmSync(path, { force: true })
    },
  }
}

/** Whether a living process holds the lock at `path`. */
export function isLocked(path: string): boolean {
  const holder = readLock(path)?.holder
  return holder !== undefined && isAlive(holder)
}

/** A link appears under its name with all its content, or not at all. */
function tryTake(path: string, text: string): boolean {
  const aside = `${path}.${randomUUID().slice(0, 8)}`
  try {
    writeFileSync(aside, text)
    linkSync(aside, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw new UserError(`Cannot make the lock ${path}: ${messageOf(error)}`, { cause: error })
  } finally {
    rmSync(aside, { force: true })
  }
}

/** Removes the lock of a dead holder, and only that: another process may have taken it over since it was read. */
function removeStale(path: string, text: string): void {
  const aside = `${path}.${randomUUID().slice(0, 8)}`
  try {
    renameSync(path, aside)
    if (readFileSync(aside, 'utf8') !== text) linkSync(aside, path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'EEXIST') throw error
  } finally {
    rmSync(aside, { force: true })
  }
}

function busy(path: string, holder: Holder | undefined): UserError {
  const who = holder === undefined ? 'Another process' : `Process ${holder.pid} on ${holder.host}`
  return new UserError(`${who} is using this folder (${path}). Wait for it to end, or choose another folder.`)
}

function self(): Holder {
  return { host: hostname(), pid: process.pid, started: startOf(process.pid) }
}

function isAlive({ host, pid, started }: Holder): boolean {
  if (host !== hostname()) return true
  try {
    process.kill(pid, 0)
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
  const now = startOf(pid)
  return now === undefined || started === undefined || now === started
}

/** Boot and clock ticks at which a process began; 'ended' for a zombie; undefined where the system does not tell. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return state === 'Z' ? 'ended' : `${boot}:${fields[18]}`
  } catch {
    return undefined
  }
}

/** `holder` is undefined where the file cannot be read as a lock: a crash of the machine, another program's file. */
function readLock(path: string): { text: string; holder: Holder | undefined } | undefined {
  try {
    const text = readFileSync(path, 'utf8')
    return { text, holder: parseHolder(text) }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function parseHolder(text: string): Holder | undefined {
  try {
    return Holder.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}
