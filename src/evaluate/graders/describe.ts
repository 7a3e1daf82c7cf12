/** What a grader measures, in words: for whoever reads a figure without its JSON. */

const similarities: Readonly<Record<string, string>> = {
  fuzzy_match: 'characters in common', bleu: 'BLEU', gleu: 'GLEU', rouge_l: 'ROUGE-L', cosine: 'cosine of their embeddings',
}

const checks: Readonly<Record<string, string>> = { eq: 'equal to', ne: 'different from', like: 'containing', ilike: 'containing, whatever the case,' }

/** @param spec JSON of a grader that was checked */
export function describeGrader(spec: unknown): string {
  if (Array.isArray(spec)) return `weighted sum of ${spec.map((entry) => nameOf((entry as { readonly grader: unknown }).grader)).join(', ')}`
  const grader = spec as Readonly<Record<string, unknown>> & { readonly type: string }
  const name = typeof grader['name'] === 'string' ? `${grader['name']}: ` : ''
  return `${name}${measureOf(grader)}`
}

function nameOf(spec: unknown): string {
  if (Array.isArray(spec)) return 'a weighted sum'
  const { name, type } = spec as { readonly name?: string; readonly type: string }
  return name ?? type
}

function measureOf(grader: Readonly<Record<string, unknown>> & { readonly type: string }): string {
  switch (grader.type) {
    case 'text_similarity': {
      const metric = String(grader['evaluation_metric'])
      return `likeness to the reference (${similarities[metric] ?? metric.replace('rouge_', 'ROUGE-')}), 0 to 1`
    }
    case 'string_check': return `share of answers ${checks[String(grader['operation'])]} ${JSON.stringify(grader['reference'])}`
    case 'multi': return String(grader['calculate_output'])
    case 'number': return 'share of answers whose final number is the reference'
    case 'json_schema': return grader['partial'] === true ? 'credit for JSON that the schema allows, 0 to 1' : 'share of answers that are JSON which the schema allows'
    case 'regex': return 'share of answers that match a pattern'
    case 'length': return `credit for a length within bounds (${String(grader['unit'])}), 0 to 1`
    default: return grader.type.replaceAll('_', ' ')
  }
}
