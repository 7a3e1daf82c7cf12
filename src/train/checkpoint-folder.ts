/** The checkpoints of a run, `checkpoints/step-N`: written aside and renamed, checked before they are used, thinned out. */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { UserError, messageOf } from '../errors.ts'
import { replaceDirectory } from '../files.ts'

/** A checkpoint that is whole. */
export interface CheckpointPlace {
  /** Optimizer steps done when it was written. */
  readonly step: number
  readonly path: string
}

export interface LatestCheckpoint {
  /** Undefined if there is no whole one. */
  readonly checkpoint: CheckpointPlace | undefined
  /** Newer ones that were passed over, each with what is wrong with it. */
  readonly damaged: readonly string[]
}

export interface CheckpointFolder {
  /**
   * Writes checkpoint `step` with the files that `write` puts into the directory it is given, then removes all but
   * the last two and the best. `evalLoss` is the held-out loss at this step, if it was just measured.
   * On failure (disk full) nothing of it stays and those before it are as they were; the UserError names the last.
   */
  save(step: number, write: (directory: string) => Promise<void>, evalLoss?: number): Promise<CheckpointPlace>
  /** The newest checkpoint whose files all have the sizes and digests of its manifest. */
  latest(): Promise<LatestCheckpoint>
  /** The newest first, whole or not: nothing of them is read. */
  all(): readonly CheckpointPlace[]
  /** The checkpoint with the lowest held-out loss; the earlier of two equal ones. */
  best(): CheckpointPlace | undefined
  /** Removes what came after `step`, damaged checkpoints included, and what an interrupted save left behind. */
  discardAfter(step: number): Promise<void>
}

/** How many of the newest checkpoints are kept. */
const recent = 2

const manifestName = 'manifest.json'

/** `evalLoss` is null where none was measured. */
const Manifest = z.strictObject({
  step: z.int().nonnegative(),
  evalLoss: z.number().nullable(),
  files: z.record(z.string(), z.strictObject({ bytes: z.int().nonnegative(), sha256: z.string() })),
})
type Manifest = z.infer<typeof Manifest>

export function openCheckpointFolder(path: string): CheckpointFolder {
  const placeOf = (step: number): CheckpointPlace => ({ step, path: join(path, `step-${step}`) })

  function places(): CheckpointPlace[] {
    const names = existsSync(path) ? readdirSync(path) : []
    const steps = names.flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? [])
    return steps.map(Number).sort((a, b) => b - a).map(placeOf)
  }

  function best(): CheckpointPlace | undefined {
    const measured = places().map((place) => ({ place, loss: evalLossOf(place) }))
    return measured.sort((a, b) => a.loss - b.loss || a.place.step - b.place.step).find(({ loss }) => loss < Infinity)?.place
  }

  async function thin(): Promise<void> {
    const kept = best()?.step
    const old = places().slice(recent).filter(({ step }) => step !== kept)
    await Promise.all(old.map(remove))
  }

  return {
    async save(step, write, evalLoss) {
      const place = placeOf(step)
      try {
        await replaceDirectory(place.path, async (directory) => {
          await write(directory)
          const manifest = await describe(directory, step, evalLoss)
          await writeFile(join(directory, manifestName), `${JSON.stringify(manifest, null, 2)}\n`)
        })
      } catch (error) {
        throw error instanceof UserError ? notSaved(step, error, places()[0]) : error
      }
      await thin()
      return place
    },

    async latest() {
      const damaged: string[] = []
      for (const place of places()) {
        const fault = await faultOf(place)
        if (fault === undefined) return { checkpoint: place, damaged }
        damaged.push(`${place.path}: ${fault}`)
      }
      return { checkpoint: undefined, damaged }
    },

    all: places,
    best,

    async discardAfter(step) {
      await Promise.all(places().filter((place) => place.step > step).map(remove))
      await removePartials(path)
    },
  }
}

function notSaved(step: number, error: UserError, last: CheckpointPlace | undefined): UserError {
  const rest = last === undefined ? 'There is no earlier checkpoint.' : `The last checkpoint is ${last.path}: --resume goes on from it.`
  return new UserError(`Checkpoint ${step} was not saved. ${error.message} ${rest}`, { cause: error })
}

async function remove({ path }: CheckpointPlace): Promise<void> {
  await rm(path, { recursive: true, force: true })
}

/** Removes the neighbours that replaceDirectory leaves when it is killed. */
export async function removePartials(directory: string): Promise<void> {
  if (!existsSync(directory)) return
  const names = (await readdir(directory)).filter((name) => /^\..*\.partial(\.old)?$/.test(name))
  await Promise.all(names.map((name) => rm(join(directory, name), { recursive: true, force: true })))
}

async function describe(directory: string, step: number, evalLoss: number | undefined): Promise<Manifest> {
  const files: Manifest['files'] = {}
  for (const name of (await readdir(directory)).sort()) {
    const path = join(directory, name)
    files[name] = { bytes: statSync(path).size, sha256: await sha256(path) }
  }
  return { step, evalLoss: evalLoss !== undefined && Number.isFinite(evalLoss) ? evalLoss : null, files }
}

/** What is wrong with a checkpoint; undefined: nothing. */
async function faultOf({ step, path }: CheckpointPlace): Promise<string | undefined> {
  try {
    const manifest = readManifest(path)
    if (manifest.step !== step) return `its ${manifestName} is that of step ${manifest.step}`
    for (const [name, { bytes, sha256: digest }] of Object.entries(manifest.files)) {
      const size = statSync(join(path, name)).size
      if (size !== bytes) return `${name} has ${size} bytes; ${bytes} were written`
      if ((await sha256(join(path, name))) !== digest) return `${name} has changed since it was written`
    }
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

function readManifest(path: string): Manifest {
  const file = join(path, manifestName)
  try {
    return Manifest.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch (error) {
    throw new UserError(`its ${basename(file)} is missing or damaged`, { cause: error })
  }
}

function evalLossOf({ path }: CheckpointPlace): number {
  try {
    return readManifest(path).evalLoss ?? Infinity
  } catch {
    return Infinity
  }
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
