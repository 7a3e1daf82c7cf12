/** What chat and text completions have in common: their parameters, as OpenAI names and bounds them. */
import { randomInt } from 'node:crypto'
import { z } from 'zod'
import type { GenerateRequest } from '../../generate/completion.ts'
import type { ModelConfig } from '../../models/config.ts'
import { ApiError } from '../errors.ts'

const flag = z.boolean().nullish()
const penalty = z.number().min(-2).max(2).nullish()
const stopText = z.string().min(1).max(1000)

/** null stands for the default, as at OpenAI. */
export const commonShape = {
  model: z.string(),
  n: z.int().min(1).max(128).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  /** An extension, of vLLM's name. */
  top_k: z.int().min(1).nullish(),
  seed: z.int().nullish(),
  stop: z.union([stopText, z.array(stopText).max(4)]).nullish(),
  logit_bias: z.record(z.string().regex(/^\d{1,9}$/, 'must be a token id'), z.number().min(-100).max(100)).nullish(),
  presence_penalty: penalty,
  frequency_penalty: penalty,
  max_tokens: z.int().min(1).nullish(),
  stream: flag,
  stream_options: z.strictObject({ include_usage: flag, include_obfuscation: flag }).nullish(),
  store: flag,
  metadata: z.record(z.string().max(64), z.string().max(512)).nullish(),
  user: z.string().max(512).nullish(),
} as const

/** Parameters of OpenAI that change nothing here and are taken without a word. */
export const ignoredShape = Object.fromEntries([
  'parallel_tool_calls', 'prediction', 'prompt_cache_key', 'prompt_cache_options', 'prompt_cache_retention', 'reasoning_effort',
  'service_tier', 'verbosity',
].map((key) => [key, z.unknown().optional()]))

type Common = z.output<z.ZodObject<typeof commonShape>>

/** @throws ApiError where the parameters do not go together */
export function checkCommon({ stream, stream_options, metadata }: Pick<Common, 'stream' | 'stream_options' | 'metadata'>): void {
  if (stream_options != null && stream !== true) throw invalid('stream_options', 'is for streams: set "stream": true, or leave it out')
  if (metadata != null && Object.keys(metadata).length > 16) throw invalid('metadata', 'has more than 16 keys')
}

/** How tokens are chosen, as the engine takes it. */
export function samplingOf(body: Common): Omit<GenerateRequest, 'prompt' | 'maxTokens'> {
  const { stop, logit_bias: logitBias } = body
  return {
    temperature: body.temperature ?? 1,
    topK: body.top_p === 0 ? 1 : body.top_k ?? undefined,
    // A p of 1 leaves nothing out; one of 0 leaves the likeliest token alone.
    topP: body.top_p === 0 || body.top_p === 1 ? undefined : body.top_p ?? undefined,
    samples: body.n ?? 1,
    stop: stop == null ? undefined : [stop].flat(),
    seed: body.seed == null ? randomInt(2 ** 32) : body.seed,
    logitBias: logitBias == null || Object.keys(logitBias).length === 0 ? undefined : logitBias,
    presencePenalty: body.presence_penalty || undefined,
    frequencyPenalty: body.frequency_penalty || undefined,
  }
}

/**
 * How many tokens may be generated: as many as were asked for, or as the context has room for.
 * @throws ApiError where it has none
 */
export function tokensToGenerate(
  prompt: readonly number[], asked: number | null | undefined, { maxPositions }: ModelConfig, param: string,
): number {
  const room = maxPositions - prompt.length
  if (room < 1) throw tooLong(`${prompt.length} tokens`, maxPositions, param)
  return Math.min(asked ?? room, room)
}

/** A prompt that leaves no room for an answer. */
export function tooLong(size: string, maxPositions: number, param: string): ApiError {
  const message = `This model's context is ${maxPositions} tokens, and the prompt alone has ${size}. Shorten it`
  return new ApiError(400, message, { param, code: 'context_length_exceeded' })
}

/** A parameter that is wrong in a way that no schema can say. */
export function invalid(param: string, why: string, code = 'invalid_value'): ApiError {
  return new ApiError(400, `${param} ${why}`, { param, code })
}
