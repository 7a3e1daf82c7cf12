/** What a completion can be held to, as grammars. */
import { UserError } from '../../errors.ts'
import type { Tool } from '../../models/tokenizer/tokenizer.ts'
import type { OutputFormat } from '../completion.ts'
import { choice, sequence, spaced, text, type Grammar } from './grammar.ts'
import { anyObject, next, object } from './json.ts'
import { schemaGrammar } from './schema.ts'
import { checkSize } from './schema-size.ts'

/** @throws UserError (exitCode 2) that says what of a format is wrong or cannot be enforced */
export function formatGrammar(format: OutputFormat): Grammar {
  switch (format.type) {
    case 'json_object': return anyObject
    case 'json_schema': return schemaGrammar(format.schema)
    case 'tool_call': return sequence(text(format.before), choice(...format.tools.map((tool) => call(tool))), text(format.after))
  }
}

/**
 * Checks what can be told of a format at once: its size.
 * @throws UserError (exitCode 2)
 */
export function checkFormat(format: OutputFormat): void {
  if (format.type === 'json_schema') checkSize(format.schema)
  if (format.type === 'tool_call') for (const { parameters } of format.tools) checkSize(parameters)
}

/** Hermes' and Qwen's way to write a call. */
const hermes = { before: '<tool_call>\n', after: '\n</tool_call>' }

/**
 * The format of a call of a tool.
 * @param name of the tool that is to be called; undefined: any of them
 * @param marks what the model writes around a call; Hermes' and Qwen's tags unless given
 * @throws UserError where there is no such tool
 */
export function toolCallFormat(tools: readonly Tool[], name?: string, marks: { before: string; after: string } = hermes): OutputFormat {
  const called = tools.filter((tool) => name === undefined || tool.name === name)
  if (called.length === 0) throw new UserError(`tool_choice: there is no tool ${JSON.stringify(name)} among the request's tools`, { exitCode: 2 })
  return { type: 'tool_call', tools: called, ...marks }
}

function call({ name, parameters }: Tool): Grammar {
  const given = parameters === undefined ? anyObject : schemaGrammar(parameters)
  return object(sequence(spaced('"name":'), text(JSON.stringify(name)), next(sequence(spaced('"arguments":'), given))), false)
}
