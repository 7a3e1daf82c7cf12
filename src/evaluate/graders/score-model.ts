import { z } from 'zod'

import { messageOf, UserError } from '../../errors.ts'
import { loadModel, type LoadedModel } from '../../generate/model.ts'
import type { Message } from '../../models/tokenizer/tokenizer.ts'
import { type Complete, defineGrader, type GradedSample, Ungradable, type Score } from './grader.ts'
import { parseTemplate } from './template.ts'

/** Conversations that a local model answers in one batch, or that are under way at an injected one. */
const BATCH = 16

const textPart = z.strictObject({ type: z.enum(['input_text', 'text']), text: z.string() })

const schema = z.strictObject({
  model: z.string().min(1),
  input: z.array(z.strictObject({
    role: z.enum(['system', 'developer', 'user', 'assistant']),
    content: z.union([z.string(), textPart.transform(({ text }) => text)], { error: 'must be text' }),
    type: z.literal('message').optional(),
  })).min(1, 'is empty'),
  /** What scores are clamped to. */
  range: z.tuple([z.number(), z.number()]).refine(([low, high]) => low < high, 'must grow').default([0, 1]),
  sampling_params: z.strictObject({
    temperature: z.number().min(0).max(2).default(0),
    top_p: z.number().gt(0).max(1).optional(),
    seed: z.int().min(0).max(2 ** 32 - 1).default(0),
    max_completions_tokens: z.int().min(1).max(4096).default(64),
  }).prefault({}),
})

type Sampling = z.output<typeof schema>['sampling_params']

/** A judge's answers to conversations, in their order; an error in the place of an answer that there is not. */
interface Judge {
  answer(conversations: readonly (readonly Message[])[]): Promise<readonly (string | Error)[]>
  close?(): Promise<void>
}

/**
 * OpenAI's `score_model`: a model is asked, and the first number in its answer is the score, clamped to `range`.
 * The model is one that `loadModel` finds, loaded at its first question, unless `options.complete` answers.
 */
export const scoreModel = defineGrader({
  type: 'score_model',
  schema,
  prepare({ model, input, range, sampling_params: sampling }, { place, options: { complete, baseDirectory } }) {
    if (complete === undefined && baseDirectory === undefined) {
      throw new UserError(`${place}.model: there is no model here that grades; a local recipe may name one.`, { exitCode: 2 })
    }
    const turns = input.map(({ role, content }, i) => ({ role, template: parseTemplate(content, `${place}.input[${i}].content`) }))
    return {
      fields: turns.flatMap(({ template }) => template.fields),
      open() {
        const judge = complete === undefined ? localJudge(model, sampling) : injectedJudge(complete, model)
        return {
          score: samples => scoreAll(samples, judge, range, sample =>
            turns.map(({ role, template }) => ({ role, content: template.render(sample) }))),
          close: async () => { await judge.close?.() },
        }
      },
    }
  },
})

async function scoreAll(
  samples: readonly GradedSample[],
  judge: Judge,
  range: readonly [number, number],
  ask: (sample: GradedSample) => Message[],
): Promise<Score[]> {
  const questions = samples.map(sample => {
    try {
      return ask(sample)
    } catch (error) {
      if (error instanceof Ungradable) return error
      throw error
    }
  })
  const answers = await judge.answer(questions.filter(question => Array.isArray(question)))
  let at = 0
  return questions.map((question): Score => {
    if (question instanceof Ungradable) return question.value === null ? { value: null, reason: question.message } : { value: range[0] }
    const answer = answers[at++]!
    return answer instanceof Error ? { value: null, reason: messageOf(answer) } : scoreOf(answer, range)
  })
}

function scoreOf(answer: string, [low, high]: readonly [number, number]): Score {
  const text = /-?(?:\d+(?:\.\d+)?|\.\d+)/.exec(answer)?.[0]
  if (text === undefined) return { value: null, reason: 'the model\'s answer has no number' }
  return { value: Math.min(high, Math.max(low, Number(text))) }
}

function injectedJudge(complete: Complete, model: string): Judge {
  const one = async (messages: readonly Message[]) => {
    try {
      return await complete(messages, model)
    } catch (error) {
      return asError(error)
    }
  }
  return { answer: conversations => inBatches(conversations, batch => Promise.all(batch.map(one))) }
}

function localJudge(ref: string, { temperature, top_p: topP, seed, max_completions_tokens: maxTokens }: Sampling): Judge {
  let loading: Promise<LoadedModel> | undefined
  return {
    async answer(conversations) {
      const model = await (loading ??= loadModel(ref))
      return inBatches(conversations, async batch => {
        const requests = batch.map(messages => ({
          prompt: model.tokenizer.encodeChat(messages, { generationPrompt: true }), maxTokens, temperature, topP, seed,
        }))
        try {
          return (await model.generate(requests)).map(({ text }) => text)
        } catch (error) {
          if (!(error instanceof UserError) || batch.length === 1) throw error
          // One question is longer than the model's context: the others still have answers.
          return Promise.all(requests.map(request => model.generate([request]).then(([only]) => only!.text, asError)))
        }
      })
    },
    close: async () => { await (await loading)?.close() },
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(messageOf(error))
}

async function inBatches<In, Out>(values: readonly In[], work: (batch: readonly In[]) => Promise<readonly Out[]>): Promise<Out[]> {
  const results: Out[] = []
  for (let at = 0; at < values.length; at += BATCH) results.push(...await work(values.slice(at, at + BATCH)))
  return results
}
