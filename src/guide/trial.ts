/** A trial of this machine: steps of a small random model, by the engine that trains. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { writeFileDurably } from '../files.ts'
import { linearModules } from '../models/graph/decoder.ts'
import { onePerBin, type PackedBatch } from '../models/graph/forward.ts'
import { prepareWeights } from '../models/prepare.ts'
import { randomModel, tinyConfig } from '../models/random-model.ts'
import { cacheDirectory } from '../models/sources/cache.ts'
import { Random } from '../random.ts'
import { Learner } from '../train/learner.ts'
import { scalar } from '../train/learning/learning.ts'
import { sftLoss } from '../train/learning/sft.ts'
import { initialAdapter, loraPolicy } from '../train/policy.ts'
import { thisMachine } from './machine.ts'
import { secondsOf, type Pace } from './pace.ts'
import { batchWork, shapeOf, sizesOf, type BatchShape, type Work } from './work.ts'

/** As wide as small models are, and of few layers: a step takes a tenth of a second. */
const config = tinyConfig({ hiddenSize: 576, intermediateSize: 1536, layers: 3, heads: 9, kvHeads: 3, headDim: 64, vocabSize: 2048 })
const length = 256
const repeats = 7

const stored = z.object({ cpu: z.string(), cores: z.number(), factor: z.number().positive(), quantized: z.number().positive() })

/**
 * The pace of this machine: from the cache, or tried out, which takes some seconds and blocks the thread. What else the
 * machine does meanwhile makes little difference.
 */
export async function trialPace(cache = cacheDirectory()): Promise<Pace> {
  const path = join(cache, 'pace.json')
  const { cpu, cores } = thisMachine()
  const known = read(path)
  if (known !== undefined && known.cpu === cpu && known.cores === cores) return { ...known, source: 'trial' }
  const tried = await tryOut()
  await writeFileDurably(path, JSON.stringify({ cpu, cores, ...tried }))
  return { ...tried, cores, source: 'trial' }
}

function read(path: string): z.output<typeof stored> | undefined {
  if (!existsSync(path)) return undefined
  try {
    return stored.safeParse(JSON.parse(readFileSync(path, 'utf8'))).data
  } catch {
    return undefined
  }
}

const lora = { rank: 8, alpha: 16, rankStabilized: false, modules: linearModules(config) }

/** Steps over both kinds of base, turn by turn: what slows the machine down meanwhile slows both. */
async function tryOut(): Promise<Pick<Pace, 'factor' | 'quantized'>> {
  const folder = mkdtempSync(join(tmpdir(), 'posttrain-trial-'))
  const random = new Random(0)
  const batch = onePerBin([Array.from({ length }, () => random.below(config.vocabSize))])
  try {
    const [f32, int8] = [await openStep('f32', batch, folder), await openStep('int8', batch, folder)]
    const seconds: { f32: number; int8: number }[] = []
    for (let i = 0; i < repeats; i++) seconds.push({ f32: await f32.seconds(), int8: await int8.seconds() })
    await Promise.all([f32.release(), int8.release()])
    const median = (of: (pair: { f32: number; int8: number }) => number): number => seconds.map(of).toSorted((a, b) => a - b)[repeats >> 1]! / onFigures
    return factorsOf({ f32: median((pair) => pair.f32), int8: median((pair) => pair.int8) }, shapeOf(batch))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** CPU seconds of a step, all of it in this thread. */
async function openStep(precision: 'f32' | 'int8', batch: PackedBatch, folder: string) {
  const random = new Random(0)
  const model = { ...randomModel(config), hash: `trial-${precision}` }
  const policy = loraPolicy(config, initialAdapter(config, lora, () => random.uint32() / 2 ** 32), precision, prepareWeights(model, precision, folder))
  const learner = await Learner.compile(policy, sftLoss(policy), { device: 'cpu', threads: 1 })
  return {
    async seconds(): Promise<number> {
      const start = process.threadCpuUsage()
      await learner.run([{ batch, feeds: { per_token: scalar(1 / length) } }])
      const { user, system } = process.threadCpuUsage(start)
      return (user + system) / 1e6
    },
    release: () => learner.release(),
  }
}

/** Over f32 all of a step says how fast the machine is; over int8, what its products take beside the rest. */
function factorsOf(seconds: { readonly f32: number; readonly int8: number }, shape: BatchShape): Pick<Pace, 'factor' | 'quantized'> {
  const work = { ...batchWork(sizesOf(config, lora), shape, true), runs: config.layers / layersOfFigures }
  const onOne = (part: Work, precision: 'f32' | 'int8'): number => secondsOf(part, precision, { factor: 1, quantized: 1, cores: 1, source: 'assumed' })
  const factor = seconds.f32 / onOne(work, 'f32')
  const rest = onOne({ ...work, linear: 0, head: 0 }, 'int8')
  const products = (seconds.int8 - factor * rest) / (onOne(work, 'int8') - rest)
  return { factor, quantized: Math.max(products, factor / 4) }
}

/** What the trial gives where the figures are from: one thread alone waits for no other. On a shared host it varies by a tenth. */
const onFigures = 0.88

/** What a run of a graph costs beside its products grows with its layers; the figures are of a model that has so many. */
const layersOfFigures = 30
