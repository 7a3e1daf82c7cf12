import { z } from 'zod'

import { UserError } from '../../errors.ts'
import { bleu, cosine, fuzzyMatch, gleu, rougeL, rougeN, type Similarity } from '../metrics/similarity.ts'
import { defineGrader, eachSample, type GradedSample, type GraderOptions, type OpenedGrader, scoreOfError } from './grader.ts'
import { parseTemplate, type Template } from './template.ts'

const metrics: Readonly<Record<string, Similarity>> = {
  fuzzy_match: fuzzyMatch,
  bleu,
  gleu,
  rouge_1: rougeN(1),
  rouge_2: rougeN(2),
  rouge_3: rougeN(3),
  rouge_4: rougeN(4),
  rouge_5: rougeN(5),
  rouge_l: rougeL,
}

/** OpenAI's `text_similarity`: how alike input and reference are, from 0 to 1 (`cosine`: from -1). */
export const textSimilarity = defineGrader({
  type: 'text_similarity',
  schema: z.strictObject({
    input: z.string(),
    reference: z.string(),
    evaluation_metric: z.enum([...Object.keys(metrics), 'cosine', 'meteor']),
  }),
  prepare({ evaluation_metric: name, ...spec }, { place, options }) {
    const input = parseTemplate(spec.input, `${place}.input`)
    const reference = parseTemplate(spec.reference, `${place}.reference`)
    const fields = [...input.fields, ...reference.fields]
    if (name === 'meteor') {
      throw new UserError(
        `${place}.evaluation_metric: meteor needs the WordNet dictionary, which posttrain does not carry; rouge_l or bleu come closest.`,
        { exitCode: 2 },
      )
    }
    if (name === 'cosine') return { fields, open: embedded(input, reference, options, place) }
    const similarity = metrics[name]!
    return { fields, open: () => eachSample(sample => similarity(input.render(sample), reference.render(sample))) }
  },
})

function embedded(input: Template, reference: Template, { embed }: GraderOptions, place: string): () => OpenedGrader {
  if (embed === undefined) {
    throw new UserError(
      `${place}.evaluation_metric: cosine compares embeddings, and there is no embedding model here: ` +
        'pass `embed` to openGrader, or use rouge_l or fuzzy_match.',
      { exitCode: 2 },
    )
  }
  const score = async (sample: GradedSample) => {
    try {
      const [a, b] = await embed([input.render(sample), reference.render(sample)])
      return { value: cosine(a!, b!) }
    } catch (error) {
      return scoreOfError(error)
    }
  }
  return () => ({ score: samples => Promise.all(samples.map(score)) })
}
