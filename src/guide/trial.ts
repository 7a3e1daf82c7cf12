/** A trial of this machine: a step of a small random model, by the engine that trains. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { writeFileDurably } from '../files.ts'
import { linearModules } from '../models/graph/decoder.ts'
import { onePerBin } from '../models/graph/forward.ts'
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
import { batchWork, shapeOf, sizesOf } from './work.ts'

/** As wide as small models are, and of few layers: a step takes a tenth of a second. */
const config = tinyConfig({ hiddenSize: 576, intermediateSize: 1536, layers: 3, heads: 9, kvHeads: 3, headDim: 64, vocabSize: 2048 })
const length = 256
const repeats = 11

const stored = z.object({ cpu: z.string(), cores: z.number(), factor: z.number().positive() })

/** The pace of this machine: from the cache, or tried out, which takes about a second and blocks the thread. What else the machine does meanwhile makes no difference. */
export async function trialPace(cache = cacheDirectory()): Promise<Pace> {
  const path = join(cache, 'pace.json')
  const { cpu, cores } = thisMachine()
  const known = read(path)
  if (known !== undefined && known.cpu === cpu && known.cores === cores) return { factor: known.factor, cores, source: 'trial' }
  const factor = await tryOut()
  await writeFileDurably(path, JSON.stringify({ cpu, cores, factor }))
  return { factor, cores, source: 'trial' }
}

function read(path: string): z.output<typeof stored> | undefined {
  if (!existsSync(path)) return undefined
  try {
    return stored.safeParse(JSON.parse(readFileSync(path, 'utf8'))).data
  } catch {
    return undefined
  }
}

/** CPU seconds of a step (the median), all of it in this thread, over those of the machine of the figures. */
async function tryOut(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'posttrain-trial-'))
  const model = { ...randomModel(config), hash: 'trial' }
  const random = new Random(0)
  const lora = { rank: 8, alpha: 16, rankStabilized: false, modules: linearModules(config) }
  try {
    const policy = loraPolicy(config, initialAdapter(config, lora, () => random.uint32() / 2 ** 32), 'f32', prepareWeights(model, 'f32', folder))
    const learner = await Learner.compile(policy, sftLoss(policy), { device: 'cpu', threads: 1 })
    const batch = onePerBin([Array.from({ length }, () => random.below(config.vocabSize))])
    const seconds: number[] = []
    for (let i = 0; i < repeats; i++) {
      const start = process.threadCpuUsage()
      await learner.run([{ batch, feeds: { per_token: scalar(1 / length) } }])
      const { user, system } = process.threadCpuUsage(start)
      seconds.push((user + system) / 1e6)
    }
    await learner.release()
    const work = { ...batchWork(sizesOf(config, lora), shapeOf(batch), true), runs: config.layers / layersOfFigures }
    const median = seconds.toSorted((a, b) => a - b)[repeats >> 1]!
    return median / onFigures / secondsOf(work, 'f32', { factor: 1, cores: 1, source: 'assumed' })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** What the trial gives where the figures are from: one thread alone waits for no other. On a shared host it varies by a tenth. */
const onFigures = 0.88

/** What a run of a graph costs beside its products grows with its layers; the figures are of a model that has so many. */
const layersOfFigures = 30
