import { cp, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../errors.ts'
import { codeOf, replaceDirectory } from '../files.ts'
import { SqliteThread } from './sqlite-threads.ts'

/**
 * Copies a store, database and blobs, into a folder that a server can be started on; a running server may go on meanwhile.
 * @throws UserError where there is no store, or where the folder has something in it
 */
export async function backUp(directory: string, target: string): Promise<void> {
  const names = await filesOf(directory)
  if (!names.includes('store.sqlite')) {
    throw new UserError(`${directory} has no store.sqlite. Name the folder of a server; a database of PostgreSQL is backed up with pg_dump.`, { exitCode: 2 })
  }
  if ((await filesOf(target)).length > 0) throw new UserError(`${target} is not empty. Choose a new folder for the backup.`, { exitCode: 2 })
  await replaceDirectory(target, async (aside) => {
    const source = await SqliteThread.open({ path: join(directory, 'store.sqlite'), readOnly: false, busyMilliseconds: 10_000 })
    try {
      await source.execute({ sql: 'vacuum into ?', parameters: [join(aside, 'store.sqlite')] })
    } finally {
      await source.close()
    }
    if (names.includes('blobs')) await cp(join(directory, 'blobs'), join(aside, 'blobs'), { recursive: true, filter: isNoPartial })
  })
}

/** What is being written at the moment has a hidden name. */
function isNoPartial(path: string): boolean {
  return !path.endsWith('.partial')
}

async function filesOf(directory: string): Promise<string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}
