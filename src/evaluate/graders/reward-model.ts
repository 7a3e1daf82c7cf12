import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import { messageOf, UserError } from '../../errors.ts'
import { renderRow } from '../../data/render.ts'
import { promptRow } from '../../data/rows.ts'
import { precisions } from '../../models/graph/linear-maps.ts'
import { RewardModel } from '../reward-model.ts'
import { defineGrader, type GradedSample, type Score } from './grader.ts'

/**
 * `reward_model`: what a model trained by `method: reward` gives for the row's prompt and the output. The number has no
 * bounds; only differences mean something.
 */
export const rewardModel = defineGrader({
  type: 'reward_model',
  schema: z.strictObject({
    /** Directory of the adapter with its scalar head. */
    adapter: z.string().min(1),
    /** The base that the adapter was trained on; the policy's own unless given. */
    model: z.string().min(1).optional(),
    precision: z.enum(precisions).default('int8'),
  }),
  prepare({ adapter, model, precision }, { place, options }) {
    const { baseDirectory, model: ownModel } = options
    if (baseDirectory === undefined) {
      throw new UserError(`${place}.adapter: there is no reward model here that grades; a local recipe may name one.`, { exitCode: 2 })
    }
    const base = model ?? ownModel
    if (base === undefined) throw new UserError(`${place}.model: is missing: name the base that the adapter was trained on.`, { exitCode: 2 })
    const directory = [resolve(baseDirectory, adapter), adapter].find((path) => existsSync(path))
    if (directory === undefined) {
      throw new UserError(`${place}.adapter: there is no folder ${adapter}. Train a reward model first (method: reward).`, { exitCode: 2 })
    }
    return {
      fields: ['prompt'],
      async open() {
        const opened = await RewardModel.open({ model: base, adapter: directory, precision })
        return { score: (samples) => scoreAll(opened, samples), close: () => opened.release() }
      },
    }
  },
})

async function scoreAll(model: RewardModel, samples: readonly GradedSample[]): Promise<Score[]> {
  const rendered = samples.map((sample) => {
    try {
      return tokensOf(sample, model)
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      return error
    }
  })
  const values = await model.score(rendered.filter((ids) => ids instanceof Int32Array))
  return rendered.map((ids): Score => (ids instanceof Error ? { value: null, reason: messageOf(ids) } : { value: values.shift()! }))
}

/** Rendered as the reward model's training rows were: prompt and answer, the answer's turn ended. */
function tokensOf({ item, output }: GradedSample, { tokenizer, config }: RewardModel): Int32Array {
  const { prompt } = promptRow.schema.parse(item)
  return renderRow({ prompt, completion: output }, tokenizer, { endTokenIds: config.eosTokenIds }).ids
}
