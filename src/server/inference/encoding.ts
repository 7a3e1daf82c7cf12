/** Prompts as token ids. Whatever users write forms no control token: Tokenizer.encodeChat and encode see to that. */
import type { Message, Tokenizer, Tool } from '../../models/tokenizer/tokenizer.ts'

/** A conversation, up to where the assistant's answer begins. @throws UserError where the template refuses it */
export function encodeChat(tokenizer: Tokenizer, messages: readonly Message[], tools: readonly Tool[]): number[] {
  return tokenizer.encodeChat(messages, { generationPrompt: true, tools })
}

/** A plain text, behind the beginning-of-sequence token where the model has one. */
export function encodeText(tokenizer: Tokenizer, text: string): number[] {
  const begin = tokenizer.addBos && tokenizer.bosTokenId !== undefined ? [tokenizer.bosTokenId] : []
  return [...begin, ...tokenizer.encode(text)]
}
