import { Template } from '@huggingface/jinja'
import { UserError, messageOf } from '../../errors.ts'
import type { Message } from './tokenizer.ts'

/** A model's chat template: Jinja source that writes a conversation out as one text. */
export class ChatTemplate {
  readonly source: string
  readonly #context: Readonly<Record<string, string>>
  #compiled: Template | undefined

  /** `context`: the special tokens by the names that templates use (`bos_token`, `eos_token`). */
  constructor(source: string, context: Readonly<Record<string, string>>) {
    this.source = source
    this.#context = context
  }

  /** Throws a UserError where the template cannot be parsed or refuses the conversation. */
  render(messages: readonly Message[], options: { generationPrompt: boolean }): string {
    this.#compiled ??= this.#compile()
    try {
      return this.#compiled.render({
        ...this.#context,
        messages: messages.map(({ role, content }) => ({ role, content })),
        add_generation_prompt: options.generationPrompt,
      })
    } catch (error) {
      const roles = messages.map(message => message.role).join(', ')
      throw new UserError(
        `The model's chat template cannot render this conversation (roles: ${roles}): ${messageOf(error)}`,
        { cause: error },
      )
    }
  }

  /** Throws a UserError where the template cannot be parsed. */
  check(): void {
    this.#compiled ??= this.#compile()
  }

  #compile(): Template {
    try {
      return new Template(this.source)
    } catch (error) {
      throw new UserError(`The chat template is not valid Jinja: ${messageOf(error)}`, { cause: error })
    }
  }
}
