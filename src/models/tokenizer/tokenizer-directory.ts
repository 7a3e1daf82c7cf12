import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { UserError, messageOf } from '../../errors.ts'
import { TextTokenizer } from './text-tokenizer.ts'
import type { TextFile, Tokenizer } from './tokenizer.ts'
import { tokenizerConfigSchema, tokenizerJsonSchema } from './tokenizer-json.ts'

/** Files next to tokenizer.json that a copy of the model must carry along, unchanged. */
const companions = ['special_tokens_map.json', 'added_tokens.json']

/**
 * The tokenizer of a Hugging Face model directory: tokenizer.json, tokenizer_config.json, and the chat template
 * from chat_template.jinja or, where there is none, from tokenizer_config.json.
 * Throws a UserError that names the file that is missing or damaged.
 */
export async function tokenizerFromDirectory(directory: string): Promise<Tokenizer> {
  const files: TextFile[] = []
  const optional = async (name: string): Promise<string | undefined> => {
    const path = join(directory, name)
    if (!existsSync(path)) return undefined
    const content = await readFile(path, 'utf8')
    files.push({ name, content })
    return content
  }
  const json = await optional('tokenizer.json')
  if (json === undefined) throw new UserError(missingTokenizer(directory))
  const config = (await optional('tokenizer_config.json')) ?? '{}'
  const template = await optional('chat_template.jinja')
  for (const name of companions) await optional(name)
  return new TextTokenizer({
    name: directory,
    json: parse(json, tokenizerJsonSchema, join(directory, 'tokenizer.json')),
    config: parse(config, tokenizerConfigSchema, join(directory, 'tokenizer_config.json')),
    template,
    files,
  })
}

function missingTokenizer(directory: string): string {
  const sentencepiece = existsSync(join(directory, 'tokenizer.model'))
  return `${directory}: there is no tokenizer.json.` + (sentencepiece
    ? ' Only a tokenizer.model is there; open it once with transformers (AutoTokenizer) and save_pretrained to get one.'
    : ' Copy it from where the model came from.')
}

function parse<T>(text: string, schema: z.ZodType<T>, path: string): T {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new UserError(`${path}: not valid JSON (${messageOf(error)}).`, { cause: error })
  }
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new UserError(`${path}: not a tokenizer that can be read.\n${z.prettifyError(result.error)}`)
}
