/** The worker side of PromptEncoder: one model's tokenizer. */
import { openModel } from '../../models/open.ts'
import type { Message, Tokenizer, Tool } from '../../models/tokenizer/tokenizer.ts'
import { serve } from '../../runtime/worker.ts'
import { encodeChat, encodeText } from './encoding.ts'

export interface Conversation {
  readonly messages: readonly Message[]
  readonly tools: readonly Tool[]
}

let tokenizer: Tokenizer | undefined

serve({
  /** @param path of the model: a directory or a .gguf file */
  async open(path: string): Promise<void> {
    const model = await openModel(path)
    model.close()
    tokenizer = model.tokenizer
  },
  chat: ({ messages, tools }: Conversation) => encodeChat(tokenizer!, messages, tools),
  text: (text: string) => encodeText(tokenizer!, text),
})
