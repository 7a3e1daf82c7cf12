import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { writeFileDurably } from '../files.ts'
import type { RenderedTree } from '../data/tree.ts'
import type { ModelFiles } from '../models/files.ts'
import { frozenParts, type Precision } from '../models/graph/parts.ts'
import { prepareWeights } from '../models/prepare.ts'
import { evaluationLosses } from './evaluator.ts'
import type { Placement, Policy } from './policy.ts'

/** int8 is taken where its loss is within this share of f32's. */
const tolerance = 0.005
const probeRows = 64

const measured = z.object({ f32: z.number(), int8: z.number() })

/**
 * What `base.precision: auto` means for a model: int8 if its loss on 64 general rows differs from f32's by at most
 * 0.5 %, else f32. Measured once for each model and kept in the cache.
 */
export async function choosePrecision(
  model: ModelFiles,
  rows: () => Promise<readonly RenderedTree[]>,
  placement: Placement,
  cache: string,
): Promise<Precision> {
  const path = join(cache, 'prepared', `${model.hash.slice(0, 24)}-precision.json`)
  const { f32, int8 } = known(path) ?? (await measure(model, (await rows()).slice(0, probeRows), placement, cache, path))
  return Math.abs(int8 / f32 - 1) <= tolerance ? 'int8' : 'f32'
}

function known(path: string): z.output<typeof measured> | undefined {
  if (!existsSync(path)) return undefined
  try {
    return measured.safeParse(JSON.parse(readFileSync(path, 'utf8'))).data
  } catch {
    return undefined
  }
}

async function measure(
  model: ModelFiles,
  rows: readonly RenderedTree[],
  placement: Placement,
  cache: string,
  path: string,
): Promise<z.output<typeof measured>> {
  const lossOf = async (precision: Precision): Promise<number> => {
    const parts = frozenParts(model.config, precision)
    const weights = prepareWeights(model, precision, cache)
    const frozen: Policy = { config: model.config, parts, parameters: new Map(), values: new Map(), weights, prepack: precision !== 'f32' }
    const [loss] = await evaluationLosses(frozen, placement, [rows])
    return loss!
  }
  const losses = { f32: await lossOf('f32'), int8: await lossOf('int8') }
  mkdirSync(dirname(path), { recursive: true })
  await writeFileDurably(path, JSON.stringify(losses))
  return losses
}
