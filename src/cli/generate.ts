import { readFileSync } from 'node:fs'
import { text as readAll } from 'node:stream/consumers'

import { UserError } from '../errors.ts'
import type { Completion, GenerateRequest, OutputFormat } from '../generate/completion.ts'
import type { LoadedModel } from '../generate/model.ts'
import type { Message, Tokenizer } from '../models/tokenizer/tokenizer.ts'
import { defineCommand, numberOption, type Option, required, type Values } from './command.ts'
import { modelOptions, openModel } from './model-options.ts'
import { shortest } from './score.ts'

/** The options that say how tokens are chosen. */
export const samplingOptions = {
  'max-tokens': { type: 'string', value: 'N', help: 'the most tokens to generate (default 256)' },
  temperature: { type: 'string', value: 'T', help: '0 takes the likeliest token (default); 1 samples as the model says' },
  'top-k': { type: 'string', value: 'K', help: 'sample from the K likeliest tokens' },
  'top-p': { type: 'string', value: 'P', help: 'sample from the likeliest tokens that together have probability P' },
  stop: { type: 'string', multiple: true, value: 'TEXT', help: 'end before this text; may be given several times' },
  seed: { type: 'string', value: 'S', help: 'of the sampling (default 0)' },
} as const satisfies Readonly<Record<string, Option>>

const usage = '--model MODEL [--adapter DIR] --prompt TEXT [--max-tokens N --temperature T --seed S --format FORMAT --json]'

/** `posttrain generate`: the answer to one prompt. */
export const generate = defineCommand({
  name: 'generate',
  summary: 'the answer to one prompt',
  usage,
  details: [
    'The prompt is one user turn of the model\'s chat template (plain text where it has none). With --json:',
    '{"text", "ids", "logprobs", "finish_reason", "usage"}; ids are the generated tokens, the end token included.',
  ].join('\n'),
  options: {
    ...modelOptions,
    prompt: { type: 'string', value: 'TEXT', help: 'what to answer; - reads it from standard input' },
    system: { type: 'string', value: 'TEXT', help: 'a system turn before it' },
    ...samplingOptions,
    format: { type: 'string', value: 'FORMAT', help: 'json: an object; or the file of a JSON schema that the answer must fit' },
  },
  positionals: 0,
  async run(context) {
    const { options, json, terminal } = context
    const given = required({ name: 'generate', usage }, 'prompt', options.prompt)
    const format = options.format === undefined ? undefined : readFormat(options.format)
    const sampling = { ...readSampling(options), format }
    const prompt = given === '-' ? await readAll(terminal.input) : given
    await using model = await openModel({ name: 'generate', usage }, context)
    const system = options.system === undefined ? [] : [{ role: 'system', content: options.system }]
    const ids = promptIds(model.tokenizer, [...system, { role: 'user', content: prompt }])
    const completion = await answer(model, ids, sampling, json ? undefined : text => { terminal.out(text) })
    terminal.out(json ? `${JSON.stringify(asJson(completion))}\n` : '\n')
    if (format !== undefined && completion.finishReason === 'length') {
      throw new UserError(`the answer was cut before it was whole JSON (${completion.usage.completionTokens} tokens): raise --max-tokens`)
    }
  },
})

/** How tokens are chosen: a request without its prompt. */
export type Sampling = Omit<GenerateRequest, 'prompt'>

/** Reads and range-checks the sampling options. */
export function readSampling(options: Values<typeof samplingOptions>): Sampling {
  const topK = numberOption('top-k', options['top-k'], { min: 1, max: 1e6, integer: true })
  const topP = numberOption('top-p', options['top-p'], { min: 0, max: 1 })
  return {
    maxTokens: numberOption('max-tokens', options['max-tokens'], { min: 1, max: 1e6, integer: true }) ?? 256,
    temperature: numberOption('temperature', options.temperature, { min: 0, max: 100 }) ?? 0,
    seed: numberOption('seed', options.seed, { min: 0, max: 2 ** 32 - 1, integer: true }) ?? 0,
    ...(topK !== undefined && { topK }),
    ...(topP !== undefined && { topP }),
    ...(options.stop !== undefined && { stop: options.stop }),
  }
}

/** `json`, or a file that holds a JSON schema. */
function readFormat(given: string): OutputFormat {
  if (given === 'json') return { type: 'json_object' }
  try {
    return { type: 'json_schema', schema: JSON.parse(readFileSync(given, 'utf8')) as Readonly<Record<string, unknown>> }
  } catch (error) {
    const problem = error instanceof SyntaxError ? `not valid JSON (${error.message})` : 'it cannot be read'
    throw new UserError(`--format ${given}: ${problem}. Give json, or the file of a JSON schema`, { exitCode: 2, cause: error })
  }
}

/** Token ids of a conversation up to the answer; the last turn as plain text where the model has no chat template. */
export function promptIds(tokenizer: Tokenizer, messages: readonly Message[]): number[] {
  if (tokenizer.hasTemplate) return tokenizer.encodeChat(messages, { generationPrompt: true })
  const begin = tokenizer.addBos && tokenizer.bosTokenId !== undefined ? [tokenizer.bosTokenId] : []
  return [...begin, ...tokenizer.encode(messages.map(({ content }) => content).join('\n'))]
}

/** Generates one answer; `print` gets its text piece by piece. */
export async function answer(
  model: LoadedModel,
  prompt: readonly number[],
  sampling: Sampling,
  print?: (text: string) => void,
): Promise<Completion> {
  const [completion] = await model.generate([{ prompt, ...sampling }], print && (({ text }) => { print(text) }))
  return completion!
}

function asJson({ text, ids, logprobs, finishReason, usage: { promptTokens, completionTokens } }: Completion): object {
  return {
    text,
    ids,
    logprobs: shortest(logprobs),
    finish_reason: finishReason,
    usage: { prompt_tokens: promptTokens, completion_tokens: completionTokens, total_tokens: promptTokens + completionTokens },
  }
}
