import { Document, isCollection, isMap, isScalar, isSeq, type YAMLMap } from 'yaml'

/** What keys mean, by their path: docs/recipe.md in a few words. */
const notes: Readonly<Record<string, string>> = {
  'adapter.rank': 'more learns more, and forgets more',
  'adapter.alpha': 'twice the rank',
  'adapter.targets': 'or names of layers: [q_proj, v_proj]',
  'base.precision': 'auto, f32, int8, int4 or nf4',
  'optimizer.lr': 'learning rate',
  'optimizer.weight_decay': 'spares norms and biases',
  'schedule.name': 'constant, linear or cosine',
  'schedule.warmup': 'share of all steps',
  batch: 'rows of an optimizer step',
  epochs: 'passes over the rows; or steps: N',
  max_length: 'tokens of a row; what is cut is counted',
  seed: 'the same seed gives the same run',
  keep: 'last or best; best needs held-out rows',
  eval_every: 'steps between evaluations',
  tokens_per_micro_batch: 'memory against speed',
  'dpo.beta': 'the smaller, the further from the start',
  'dpo.loss': 'sigmoid, ipo, hinge, simpo or orpo',
  'kto.beta': 'the smaller, the further from the start',
  'kto.desirable_weight': 'of thumbs up',
  'kto.undesirable_weight': 'of thumbs down',
  'grpo.group_size': 'answers to each prompt',
  'grpo.max_new_tokens': 'longest answer',
  'grpo.beta': 'weight of the distance from the start',
  'ppo.max_new_tokens': 'longest answer',
  'ppo.kl_coef': 'price of leaving the start',
}

/** A recipe as YAML for people: a key to a line, with a word on what it means. */
export function explainedRecipe(recipe: Readonly<Record<string, unknown>>): string {
  const document = new Document(recipe, { aliasDuplicateObjects: false })
  if (isMap(document.contents)) explain(document.contents, '')
  return document.toString({ lineWidth: 0, flowCollectionPadding: false }).split('\n').map(aligned).join('\n')
}

/** Column at which notes begin. */
const noteColumn = 34
const noteTexts = new Set(Object.values(notes))

function aligned(line: string): string {
  const at = line.lastIndexOf(' # ')
  return at === -1 || !noteTexts.has(line.slice(at + 3)) ? line : line.slice(0, at).padEnd(noteColumn - 1) + line.slice(at)
}

function explain(map: YAMLMap, prefix: string): void {
  for (const { key, value } of map.items) {
    const path = `${prefix}${isScalar(key) ? String(key.value) : ''}`
    const note = notes[path]
    if (note !== undefined && (isScalar(value) || isCollection(value))) value.comment = ` ${note}`
    if (isSeq(value) && value.items.every(isScalar)) value.flow = true
    if (isMap(value)) explain(value, `${path}.`)
  }
}
