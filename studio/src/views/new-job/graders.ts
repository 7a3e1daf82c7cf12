/** Graders that most tasks begin with, as JSON to go on from: docs/graders.md. */
export interface GraderPreset {
  readonly id: string
  readonly label: string
  readonly about: string
  /** @param field of the row that holds what is right */
  readonly make: (field: string) => object
}

export const graderPresets: readonly GraderPreset[] = [
  {
    id: 'exact', label: 'Exact answer', about: 'Worth 1 where the whole answer is the field’s text, else 0.',
    make: (field) => ({ type: 'string_check', name: 'exact', input: '{{sample.output_text}}', reference: `{{item.${field}}}`, operation: 'eq' }),
  },
  {
    id: 'number', label: 'Final number', about: 'Worth 1 where the last number of the answer is the field’s, as in arithmetic.',
    make: (field) => ({ type: 'number', reference: `{{item.${field}}}` }),
  },
  {
    id: 'overlap', label: 'Similar text', about: 'From 0 to 1: how much the answer has in common with the field’s text (ROUGE-L).',
    make: (field) => ({
      type: 'text_similarity', name: 'overlap', input: '{{sample.output_text}}', reference: `{{item.${field}}}`, evaluation_metric: 'rouge_l',
    }),
  },
  {
    id: 'json', label: 'JSON of a form', about: 'Worth 1 where the answer is JSON that the schema allows, with credit on the way there.',
    make: () => ({ type: 'json_schema', partial: true, schema: { type: 'object', required: ['answer'], properties: { answer: { type: 'string' } } } }),
  },
  {
    id: 'length', label: 'Brief answer', about: 'Worth 1 up to so many words, less beyond. Good beside another grader, seldom alone.',
    make: () => ({ type: 'length', unit: 'words', max: 60, falloff: 20 }),
  },
]

export const missingGrader = 'Choose a grader, or write one: without it nobody says what a good answer is.'

/** So that defaults can be asked for before a grader is chosen; no job is started with it. */
export const standIn = { type: 'length', unit: 'words', max: 60 }

/** Reads what was typed: a grader, or what is wrong with the JSON. */
export function readGrader(text: string): { readonly grader: unknown } | { readonly fault: string } {
  if (text.trim() === '') return { fault: missingGrader }
  try {
    return { grader: JSON.parse(text) as unknown }
  } catch (error) {
    return { fault: `This is no JSON yet: ${(error as Error).message}` }
  }
}
