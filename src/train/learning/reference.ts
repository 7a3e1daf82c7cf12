import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { RenderedTree } from '../../data/tree.ts'
import { openSafetensors, writeSafetensors } from '../../models/formats/safetensors.ts'
import { heldOutTokens } from './held-out.ts'
import type { LearningContext } from './learning.ts'
import { PolicyForward } from './policy-forward.ts'

/** Trees whose reference is measured before the next progress report. */
const reportEvery = 32

/**
 * The summed log-probability of each branch under the policy as it was at step 0, [rows * branches]. Computed once and
 * kept in the run's folder, where a resumed run finds it; another adapter or other rows make it anew.
 */
export async function referenceSums(context: LearningContext, name: string, trees: readonly RenderedTree[]): Promise<Float32Array> {
  const path = join(context.folder.path, `reference-${name}.safetensors`)
  const digest = digestOf(context, trees)
  return stored(path, digest) ?? (await measure(context, path, digest, trees))
}

function stored(path: string, digest: string): Float32Array | undefined {
  if (!existsSync(path)) return undefined
  const file = openSafetensors(path)
  try {
    return file.metadata.get('digest') === digest ? file.read('logprobs') : undefined
  } finally {
    file.close()
  }
}

async function measure(
  { policy, placement, initial, emit, recipe }: LearningContext,
  path: string,
  digest: string,
  trees: readonly RenderedTree[],
): Promise<Float32Array> {
  emit({ type: 'status', text: `reference log-probabilities of ${trees.length} rows` })
  const forward = await PolicyForward.compile(policy, placement)
  const sums: number[] = []
  const began = performance.now()
  try {
    for (let start = 0; start < trees.length; start += reportEvery) {
      const some = trees.slice(start, start + reportEvery)
      const maxTokens = Math.max(heldOutTokens, recipe.tokens_per_micro_batch)
      for (const ofTree of await forward.branchSums(some, { maxTokens }, initial)) sums.push(...ofTree)
      const rate = (sums.length / (performance.now() - began)) * 1000
      emit({ type: 'status', text: `reference log-probabilities: ${start + some.length} of ${trees.length} rows, ${rate.toFixed(1)} answers/s` })
    }
  } finally {
    await forward.release()
  }
  const data = Float32Array.from(sums)
  await writeSafetensors(path, [{ name: 'logprobs', dtype: 'F32', shape: [data.length], data }], { digest })
  return data
}

/** Of all that the reference depends on. */
function digestOf({ initial, recipe }: LearningContext, trees: readonly RenderedTree[]): string {
  const hash = createHash('sha256').update(JSON.stringify([recipe.model, recipe.base]))
  for (const [name, values] of initial) hash.update(name).update(values)
  for (const { stem, branches } of trees) for (const { ids, mask } of [stem, ...branches]) hash.update(ids).update(mask)
  return hash.digest('hex')
}
