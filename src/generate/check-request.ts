/** Range checks of what is asked of a model, before any of it reaches a graph. */
import { UserError } from '../errors.ts'
import type { ModelConfig } from '../models/config.ts'
import type { GenerateRequest } from './completion.ts'
import { checkFormat } from './format/format.ts'
import { checkSampling } from './sampling.ts'

/** Most entries of a request's logit_bias, as OpenAI has it. */
const maxBiases = 1024
/** Most answers to one prompt. */
const maxSamples = 1024

/**
 * Checks a request against its model.
 * @throws UserError (exitCode 2) that names the parameter that is out of its range
 */
export function checkGenerateRequest(request: GenerateRequest, config: ModelConfig): void {
  checkSampling(request)
  checkWhole('max_tokens', request.maxTokens, 1, Infinity)
  checkWhole('samples', request.samples ?? 1, 1, maxSamples)
  checkWhole('top_logprobs', request.topLogprobs ?? 0, 0, 20)
  checkRange('presence_penalty', request.presencePenalty ?? 0, -2, 2)
  checkRange('frequency_penalty', request.frequencyPenalty ?? 0, -2, 2)
  checkSeed(request.seed ?? 0)
  checkLogitBias(request.logitBias ?? {}, config)
  checkStops(request)
  if (request.format !== undefined) checkFormat(request.format)
  if (request.prompt.length === 0) refuse('the prompt is empty: it needs at least one token')
  checkIds(request.prompt, config, 'prompt')
}

/** Throws a UserError where a sequence is longer than the model's context or holds an id that is no token's. */
export function checkIds(ids: readonly number[], { vocabSize, maxPositions }: ModelConfig, what: string): void {
  if (ids.length > maxPositions) refuse(`the ${what} has ${ids.length} tokens; the model's context is ${maxPositions}. Shorten it`)
  const stray = ids.find((id) => !isToken(id, vocabSize))
  if (stray !== undefined) refuse(`token id ${stray} is outside the model's vocabulary of ${vocabSize}`)
}

function checkStops({ stop, format }: GenerateRequest): void {
  if (stop?.includes('') === true) refuse('a stop string is empty: it would end every answer at once')
  if (format !== undefined && stop !== undefined && stop.length > 0) {
    refuse('stop and a format (response_format) exclude each other: a stop string could cut the JSON in two. Leave stop out')
  }
}

function checkLogitBias(biases: Readonly<Record<number, number>>, { vocabSize }: ModelConfig): void {
  const entries = Object.entries(biases)
  if (entries.length > maxBiases) refuse(`logit_bias has ${entries.length} entries: it may have ${maxBiases}`)
  for (const [id, bias] of entries) {
    if (!/^\d+$/.test(id) || !isToken(Number(id), vocabSize)) {
      refuse(`logit_bias names token ${id}: it must be an id of the model's vocabulary, from 0 to ${vocabSize - 1}`)
    }
    checkRange(`logit_bias of token ${id}`, bias, -100, 100)
  }
}

function checkSeed(seed: number): void {
  if (!Number.isSafeInteger(seed)) refuse(`seed is ${seed}: it must be a whole number of at most 2^53 − 1`)
}

function checkWhole(name: string, value: number, least: number, most: number): void {
  const range = most === Infinity ? `from ${least}` : `from ${least} to ${most}`
  if (!(Number.isInteger(value) && value >= least && value <= most)) refuse(`${name} is ${value}: it must be a whole number ${range}`)
}

function checkRange(name: string, value: number, least: number, most: number): void {
  if (!(typeof value === 'number' && value >= least && value <= most)) refuse(`${name} is ${value}: it must be from ${least} to ${most}`)
}

function isToken(id: number, vocabSize: number): boolean {
  return Number.isInteger(id) && id >= 0 && id < vocabSize
}

function refuse(message: string): never {
  throw new UserError(message, { exitCode: 2 })
}
