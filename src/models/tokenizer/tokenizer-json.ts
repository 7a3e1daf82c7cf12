import { z } from 'zod'

/** An entry of tokenizer.json's added_tokens. `special` ones are the control tokens. */
const addedTokenSchema = z.looseObject({
  id: z.int().nonnegative(),
  content: z.string().min(1),
  special: z.boolean().default(false),
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
})

/** A normalizer, pre-tokenizer, post-processor or decoder: a tagged object whose fields the library reads. */
const componentSchema = z.looseObject({ type: z.string() })

/** What this project looks at in a Hugging Face tokenizer.json; all else passes through to the library. */
export const tokenizerJsonSchema = z.looseObject({
  added_tokens: z.array(addedTokenSchema).default([]),
  normalizer: componentSchema.nullable().default(null),
  pre_tokenizer: componentSchema.nullable().default(null),
  post_processor: componentSchema.nullable().default(null),
  decoder: componentSchema.nullable().default(null),
  model: z.looseObject({
    type: z.string().optional(),
    vocab: z.union([z.record(z.string(), z.int().nonnegative()), z.array(z.tuple([z.string(), z.number()]))]),
  }),
})

const tokenSchema = z
  .union([z.string(), z.looseObject({ content: z.string() }).transform(token => token.content)])
  .nullish()
  .transform(token => token ?? undefined)

/** What this project looks at in tokenizer_config.json. */
export const tokenizerConfigSchema = z.looseObject({
  bos_token: tokenSchema,
  eos_token: tokenSchema,
  unk_token: tokenSchema,
  pad_token: tokenSchema,
  add_bos_token: z.boolean().nullish(),
  chat_template: z
    .union([z.string(), z.array(z.object({ name: z.string(), template: z.string() }))])
    .nullish()
    .transform(template => (Array.isArray(template) ? template.find(t => t.name === 'default')?.template : template)),
})

export type AddedToken = z.infer<typeof addedTokenSchema>
export type Component = z.infer<typeof componentSchema>
export type TokenizerJson = z.infer<typeof tokenizerJsonSchema>
export type TokenizerConfig = z.infer<typeof tokenizerConfigSchema>

/** GPT-2's split into words, in the regular expressions of tokenizer.json (Oniguruma). */
export const gpt2Pattern =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/** A pre-tokenizer that makes each match of `pattern` a piece of its own. */
export function split(pattern: string): Component {
  return { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false }
}

/** Characters to bytes, with no split of its own. */
export const byteLevel: Component = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false }

/**
 * The pre-tokenizer in terms whose meaning is the same in the JavaScript library as in transformers.
 * The library's own GPT-2 split takes JavaScript's white space (U+FEFF in, U+0085 out) and its `Digits` only 0-9;
 * its `Split` has Oniguruma's classes.
 */
export function portablePreTokenizer(component: Component | null): Component | null {
  if (component === null) return null
  const parts = component['pretokenizers']
  if (component.type === 'Sequence' && Array.isArray(parts)) {
    return { ...component, pretokenizers: parts.map((part: Component) => portablePreTokenizer(part)) }
  }
  if (component.type === 'Digits') return split(component['individual_digits'] === true ? '\\p{N}' : '\\p{N}+')
  if (component.type === 'ByteLevel' && component['use_regex'] !== false && component['add_prefix_space'] !== true) {
    return { type: 'Sequence', pretokenizers: [split(gpt2Pattern), byteLevel] }
  }
  return component
}

/** The pre-tokenizer for a text that does not stand at the beginning: SentencePiece's first space is not put before it. */
export function innerPreTokenizer(component: Component | null): Component | null {
  if (component === null) return null
  const parts = component['pretokenizers']
  if (component.type === 'Sequence' && Array.isArray(parts)) {
    return { ...component, pretokenizers: parts.map((part: Component) => innerPreTokenizer(part)) }
  }
  const first = component.type === 'Metaspace' && component['prepend_scheme'] === 'first'
  return first ? { ...component, prepend_scheme: 'never' } : component
}

/** True where the post-processor puts a special token before the text. */
export function startsWithSpecial(component: Component | null): boolean {
  if (component === null) return false
  const parts = component['processors']
  if (component.type === 'Sequence' && Array.isArray(parts)) return parts.some((part: Component) => startsWithSpecial(part))
  const single = component['single']
  return component.type === 'TemplateProcessing' && Array.isArray(single) && isSpecial(single[0])
}

function isSpecial(item: unknown): boolean {
  return typeof item === 'object' && item !== null && 'SpecialToken' in item
}
