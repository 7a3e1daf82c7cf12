/**
 * Durable writes: what a reader finds under a path is the old content or the new, never a half of it,
 * also after a crash, a kill -9 or a full disk.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { UserError, messageOf } from './errors.ts'

/** What to write: the whole content, or a function that streams it into the open file. */
export type FileContent = string | Uint8Array | ((file: FileHandle) => Promise<void>)

/**
 * Writes a file so that a crash leaves the old content or the new one.
 *
 * The content goes to a neighbour of the file, is flushed to the disk and takes the file's name in one step.
 * Folders on the way are made. Throws a UserError where the system refuses (disk full, no permission);
 * the old file is then as it was and no neighbour is left behind.
 */
export async function writeFileDurably(path: string, content: FileContent): Promise<void> {
  const target = resolve(path)
  const aside = asideName(target)
  await explained(path, async () => {
    try {
      await mkdir(dirname(target), { recursive: true })
      await writeAndFlush(aside, content)
      await rename(aside, target)
      await flushDirectory(dirname(target))
    } catch (error) {
      await rm(aside, { force: true })
      throw error
    }
  })
}

/**
 * Fills a new directory and puts it in the place of `path`, whatever was there before.
 *
 * `write` gets an empty neighbour of the directory; everything in it is flushed to the disk before it takes the
 * name. If `write` throws, the old directory is as it was and the neighbour is gone. Where an old directory with
 * files is replaced, a crash between the two renames leaves it under a hidden name (`.name.….old`) beside its place.
 * What a killed process left beside it is removed by the next one that comes this far.
 * The old directory's files are deleted: callers make sure that it is one of ours.
 */
export async function replaceDirectory(path: string, write: (directory: string) => Promise<void>): Promise<void> {
  const target = resolve(path)
  const aside = asideName(target)
  const old = `${aside}.old`
  await explained(path, async () => {
    try {
      await mkdir(aside, { recursive: true })
      await write(aside)
      await flushTree(aside)
      const replaced = await renameIfThere(target, old)
      try {
        await rename(aside, target)
      } catch (error) {
        if (replaced) await rename(old, target)
        throw error
      }
      await flushDirectory(dirname(target))
    } catch (error) {
      await rm(aside, { recursive: true, force: true })
      throw error
    }
    await rm(old, { recursive: true, force: true })
    await removeAbandoned(target)
  })
}

/** Gives a file that was flushed another name, on the same file system. When the promise resolves, a crash does not undo it. */
export async function moveFileDurably(from: string, to: string): Promise<void> {
  await explained(to, async () => {
    await mkdir(dirname(to), { recursive: true })
    await rename(from, to)
    await flushDirectory(dirname(to))
  })
}

/** A name that no one else uses, in the same folder (a rename does not cross file systems). */
function asideName(target: string): string {
  return join(dirname(target), `${asidePrefix(target)}${process.pid}.${randomUUID().slice(0, 8)}.partial`)
}

function asidePrefix(target: string): string {
  return `.${basename(target)}.${hostname()}.`
}

/** Removes what processes of this machine that are no longer there have left beside `target`. */
async function removeAbandoned(target: string): Promise<void> {
  const prefix = asidePrefix(target)
  for (const name of await readdir(dirname(target))) {
    if (!name.startsWith(prefix)) continue
    const [, pid] = /^(\d+)\.[0-9a-f]{8}\.partial(?:\.old)?$/.exec(name.slice(prefix.length)) ?? []
    if (pid === undefined || isRunning(Number(pid))) continue
    await rm(join(dirname(target), name), { recursive: true, force: true })
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return codeOf(error) !== 'ESRCH'
  }
}

async function writeAndFlush(path: string, content: FileContent): Promise<void> {
  const file = await open(path, 'wx')
  try {
    if (typeof content === 'function') await content(file)
    else await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function flushTree(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) await flushTree(path)
    else if (entry.isFile()) await flush(path, 'r+')
  }
  await flushDirectory(directory)
}

async function flush(path: string, flags: string): Promise<void> {
  const file = await open(path, flags)
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Makes a rename in the directory last. Windows cannot open directories and needs no such flush. */
async function flushDirectory(directory: string): Promise<void> {
  if (process.platform !== 'win32') await flush(directory, 'r')
}

async function renameIfThere(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

/** What the system's error codes mean for the reader, and what to do. */
const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full. Free some space and run again',
  EDQUOT: 'the disk quota is used up. Free some space and run again',
  EFBIG: 'the file is larger than the system allows. Raise the file size limit (ulimit -f) and run again',
  EACCES: 'permission denied. Choose another place, or change the permissions of its folder',
  EPERM: 'permission denied. Choose another place, or change the permissions of its folder',
  EROFS: 'the file system is read-only. Choose another place',
  ENOTDIR: 'a part of this path is a file, not a folder. Choose another place',
  EEXIST: 'a part of this path is a file, not a folder. Choose another place',
  EISDIR: 'there is a folder of this name. Remove it or choose another name',
  ENAMETOOLONG: 'the name is too long for this file system. Choose a shorter one',
}

async function explained(path: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    throw explainWrite(path, error)
  }
}

/** What stopped a write to `path`, as a UserError where the system's code says what it is; else the error itself. */
export function explainWrite(path: string, error: unknown): unknown {
  const reason = reasons[codeOf(error) ?? '']
  if (reason === undefined || error instanceof UserError) return error
  const text = `Cannot write ${path}: ${reason}. What was there before is unchanged. (${messageOf(error)})`
  return new UserError(text, { cause: error })
}

/** The system's code of an error (`ENOENT`), if it has one. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
