/** The body of a text completion, the older endpoint: prompts that no template is put around. */
import { z } from 'zod'
import type { LiveModel, LiveRequest } from '../../generate/live-model.ts'
import { checkCommon, commonShape, ignoredShape, invalid, samplingOf, tokensToGenerate } from './parameters.ts'
import type { Target } from './inference.ts'
import type { PromptEncoder } from './prompt-encoder.ts'

/** Most answers of one call: prompts times `n`. */
const mostAnswers = 128
/** OpenAI's default. */
const defaultMaxTokens = 16

const tokens = z.array(z.int().min(0)).min(1)

export const textSchema = z.strictObject({
  ...ignoredShape,
  ...commonShape,
  prompt: z.union([z.string(), tokens, z.array(z.union([z.string(), tokens])).min(1).max(mostAnswers)]),
  echo: z.boolean().nullish(),
  logprobs: z.int().min(0).max(20).nullish(),
  best_of: z.int().min(1).max(20).nullish(),
  suffix: z.literal('', { error: 'is not supported: this model cannot write what comes before a text' }).nullish(),
})

export type TextBody = z.output<typeof textSchema>

export interface TextRequests {
  readonly requests: readonly LiveRequest[]
  /** The prompts as text. */
  readonly prompts: readonly string[]
}

/** One request for each prompt. @throws ApiError 400 for what is wrong with the body */
export async function textRequests(body: TextBody, { adapter }: Target, model: LiveModel, encoder: PromptEncoder): Promise<TextRequests> {
  checkCommon(body)
  if (body.best_of != null && body.best_of !== (body.n ?? 1)) throw invalid('best_of', 'is not supported unless it equals n')
  if (body.echo === true && body.logprobs != null) throw invalid('logprobs', 'cannot be had of the prompt: leave echo out, or logprobs')
  const prompts = promptList(body.prompt)
  if (prompts.length * (body.n ?? 1) > mostAnswers) throw invalid('n', `times the number of prompts is more than ${mostAnswers}`)
  const sampling = samplingOf(body)
  const requests = await Promise.all(prompts.map(async (prompt): Promise<LiveRequest> => {
    const ids = typeof prompt === 'string' ? await encoder.text(prompt) : prompt
    if (ids.length === 0) throw invalid('prompt', 'is empty: it needs at least one token')
    const maxTokens = tokensToGenerate(ids, body.max_tokens ?? defaultMaxTokens, model.config, 'prompt')
    return { ...sampling, prompt: ids, maxTokens, topLogprobs: body.logprobs ?? undefined, adapter }
  }))
  const texts = prompts.map((prompt) => (typeof prompt === 'string' ? prompt : model.tokenizer.decode(prompt, { control: true })))
  return { requests, prompts: texts }
}

type Prompt = string | readonly number[]

function promptList(prompt: TextBody['prompt']): readonly Prompt[] {
  if (typeof prompt === 'string') return [prompt]
  return typeof prompt[0] === 'number' ? [prompt as number[]] : prompt as Prompt[]
}
