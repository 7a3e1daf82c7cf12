import { byteLevel, gpt2Pattern, portablePreTokenizer, split } from './tokenizer-json.ts'
import type { Component } from './tokenizer-json.ts'

/** What a GGUF leaves out of its tokenizer: it holds only the name of the way text is split before the merges. */
export interface NamedPreTokenizer {
  /** Regular expressions (Oniguruma), each splitting the pieces that the one before left. */
  readonly patterns: readonly string[]
  /** A piece that is in the vocabulary is one token, whatever the merges say. */
  readonly ignoreMerges?: boolean
  /** llama.cpp puts the beginning-of-sequence token before a text where the file does not say. */
  readonly addBos?: boolean
}

const llama3Pattern =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" +
  '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'
const qwen2Pattern = llama3Pattern.replace('\\p{N}{1,3}', '\\p{N}')
const tekkenPattern =
  '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|' +
  '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|' +
  '\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'

const gpt2: NamedPreTokenizer = { patterns: [gpt2Pattern] }
const singleDigits: NamedPreTokenizer = { patterns: ['\\p{N}', gpt2Pattern] }
const llama3: NamedPreTokenizer = { patterns: [llama3Pattern], ignoreMerges: true, addBos: true }
const qwen2: NamedPreTokenizer = { patterns: [qwen2Pattern] }
const tekken: NamedPreTokenizer = { patterns: [tekkenPattern], ignoreMerges: true, addBos: true }

/**
 * By the values of `tokenizer.ggml.pre`, as llama.cpp's vocabulary code reads them. The first name of a kind is
 * the one that is written.
 */
export const preTokenizers: ReadonlyMap<string, NamedPreTokenizer> = new Map([
  ['smollm', singleDigits],
  ['starcoder', singleDigits],
  ['refact', singleDigits],
  ['command-r', singleDigits],
  ['codeshell', singleDigits],
  ['gpt-2', gpt2],
  ['olmo', gpt2],
  ['mpt', gpt2],
  ['llama-bpe', llama3],
  ['llama3', llama3],
  ['llama-v3', llama3],
  ['qwen2', qwen2],
  ['stablelm2', qwen2],
  ['tekken', tekken],
])

/** The pre-tokenizer as tokenizer.json writes it. */
export function preTokenizerJson({ patterns }: NamedPreTokenizer): Component {
  return { type: 'Sequence', pretokenizers: [...patterns.map(pattern => split(pattern)), byteLevel] }
}

/** The name of the way that a byte-level tokenizer.json splits text; undefined where llama.cpp has none for it. */
export function preTokenizerName(component: Component | null, ignoreMerges: boolean): string | undefined {
  const patterns = splitPatterns(portablePreTokenizer(component))
  for (const [name, known] of preTokenizers) {
    const same = known.patterns.length === patterns.length && known.patterns.every((pattern, i) => pattern === patterns[i])
    if (same && (known.ignoreMerges ?? false) === ignoreMerges) return name
  }
  return undefined
}

/** Every regular expression of a pre-tokenizer in its order; a part of another kind stands as its type's name. */
function splitPatterns(component: Component | null): string[] {
  if (component === null) return []
  const parts = component['pretokenizers']
  if (component.type === 'Sequence' && Array.isArray(parts)) return parts.flatMap((part: Component) => splitPatterns(part))
  if (component.type === 'ByteLevel' && component['add_prefix_space'] !== true) return []
  const pattern = component['pattern']
  if (component.type !== 'Split' || typeof pattern !== 'object' || pattern === null || !('Regex' in pattern)) {
    return [component.type]
  }
  return [String(pattern.Regex)]
}
