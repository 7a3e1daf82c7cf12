import { constants } from 'node:fs'
import { copyFile, cp, link, readdir, rm } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { codeOf, replaceDirectory } from '../files.ts'
import { runPaths } from '../train/run-folder.ts'

/** Where a job keeps what it works with: under `<directory>/jobs/<id>`. */
export interface JobFolder {
  readonly path: string
  /** Rows and the adapter to begin with; removed when the job has ended. */
  readonly data: string
  /** Folder of the run: train/run-folder.ts. */
  readonly run: string
}

export function jobFolder(directory: string, id: string): JobFolder {
  const path = join(directory, 'jobs', id)
  return { path, data: join(path, 'data'), run: join(path, 'run') }
}

/** What a job works with, until it has ended: nothing that a client or a user removes meanwhile. */
export interface JobData {
  readonly train: string
  readonly eval: string | undefined
  /** The adapter to begin with. */
  readonly parent: string | undefined
}

/** How the rows of one split come to a file; `extension` says in which form. */
export interface RowSource {
  readonly extension: string
  write(path: string): Promise<void>
}

/** Rows of a file that was uploaded: the same content under a second name, where the file system can. */
export function fileSource(path: string, filename: string): RowSource {
  const extension = extname(filename).toLowerCase()
  return {
    extension: ['.json', '.csv', '.parquet', '.ndjson'].includes(extension) ? extension : '.jsonl',
    write: async (target) => {
      try {
        await link(path, target)
      } catch (error) {
        if (codeOf(error) === 'ENOENT') throw error
        await copyFile(path, target, constants.COPYFILE_FICLONE)
      }
    },
  }
}

/** Fills a job's data folder, whole or not at all. @param parent folder of the adapter to begin with */
export async function writeJobData(
  { data }: JobFolder, sources: { readonly train: RowSource; readonly eval: RowSource | undefined; readonly parent: string | undefined },
): Promise<void> {
  await replaceDirectory(data, async (aside) => {
    await sources.train.write(join(aside, `train${sources.train.extension}`))
    await sources.eval?.write(join(aside, `eval${sources.eval.extension}`))
    if (sources.parent !== undefined) await cp(sources.parent, join(aside, 'parent'), { recursive: true })
  })
}

export async function readJobData({ data }: JobFolder): Promise<JobData> {
  const names = await readdir(data)
  const find = (prefix: string): string | undefined => {
    const name = names.find((name) => name.startsWith(prefix))
    return name === undefined ? undefined : join(data, name)
  }
  return { train: find('train.')!, eval: find('eval.'), parent: find('parent') }
}

/**
 * Removes what a job that has ended no longer needs: its rows, the checkpoints to go on from.
 * @param rowsOfUsers whether the rows were users' own: what the run kept of them goes too
 */
export async function removeJobData({ data, run }: JobFolder, rowsOfUsers: boolean): Promise<void> {
  const { checkpoints, samples } = runPaths(run)
  for (const path of [data, checkpoints, ...(rowsOfUsers ? [samples] : [])]) await rm(path, { recursive: true, force: true })
}
