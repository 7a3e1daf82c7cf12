import { packTrees } from '../../data/pack.ts'
import type { RenderedTree } from '../../data/tree.ts'
import { packedForward } from '../../models/graph/forward.ts'
import type { Loss } from '../../methods/method.ts'
import { sft } from '../../methods/sft.ts'
import type { MicroBatch } from '../learner.ts'
import type { Policy } from '../policy.ts'
import { heldOutLoss, heldOutTokens, type HeldOutStep } from './held-out.ts'
import { scalar, scalarInput, type Learning, type LearningContext, type MethodFor } from './learning.ts'

/** Learning from demonstrations: every token that carries loss counts the same. */
export function sftLearning(method: MethodFor<'sft'>, settings: Record<string, unknown>, context: LearningContext): Learning {
  const { recipe, policy, data } = context
  const maxTokens = recipe.tokens_per_micro_batch
  const loss = sftLoss(policy, method, settings)
  return {
    loss,
    next: async (nextRows) => ({ batches: sftBatches(nextRows().map((row) => data.rows.trees[row]!), maxTokens) }),
    evaluate: () => heldOutLoss(context, loss, data.heldOut === undefined ? [] : [wholeSet(data.heldOut.trees)]),
  }
}

function wholeSet(trees: readonly RenderedTree[]): HeldOutStep {
  return { rows: trees.length, batches: async () => sftBatches(trees, heldOutTokens) }
}

export function sftLoss(policy: Policy, method: MethodFor<'sft'> = sft, settings: Record<string, unknown> = {}): Loss {
  return method.loss({ logprobs_N: packedForward(policy.config, policy.parts).logprobs(), perToken: scalarInput('per_token'), settings })
}

export function sftBatches(trees: readonly RenderedTree[], maxTokens?: number): MicroBatch[] {
  const batches = packTrees(trees, maxTokens === undefined ? {} : { maxTokens })
  const tokens = batches.reduce((sum, { targets }) => sum + targets.labels.length, 0)
  return batches.map((batch) => ({ batch, feeds: { per_token: scalar(1 / tokens) } }))
}
