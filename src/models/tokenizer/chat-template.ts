import { Template } from '@huggingface/jinja'
import { UserError, messageOf } from '../../errors.ts'
import type { Conversation } from './conversation.ts'
import type { Message, Tool } from './tokenizer.ts'

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

  /** Whether it tells a model of tools, in Hermes' and Qwen's way. */
  get hasTools(): boolean {
    return /\btools\b/.test(this.source) && this.source.includes('<tool_call>')
  }

  /** Throws a UserError where the template cannot be parsed, refuses the conversation, or knows nothing of its tools. */
  render({ messages, tools }: Conversation, generationPrompt: boolean): string {
    this.#compiled ??= this.#compile()
    if (tools.length > 0 && !this.hasTools) {
      throw new UserError(
        'tools: the model\'s chat template knows nothing of tools. Leave them out, or take a model that was trained to call them', { exitCode: 2 },
      )
    }
    try {
      return this.#compiled.render({
        ...this.#context,
        messages: messages.map((message) => templateMessage(message)),
        add_generation_prompt: generationPrompt,
        ...(tools.length > 0 && { tools: tools.map((tool) => templateTool(tool)) }),
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

/** A turn as templates read it: transformers' names. */
function templateMessage({ role, content, toolCalls, name }: Message): object {
  const calls = toolCalls?.map((call) => ({ type: 'function', function: { name: call.name, arguments: call.arguments } }))
  return { role, content, ...(name !== undefined && { name }), ...(calls !== undefined && { tool_calls: calls }) }
}

function templateTool({ name, description, parameters }: Tool): object {
  const described = description === undefined ? {} : { description }
  return { type: 'function', function: { name, ...described, parameters: parameters ?? { type: 'object', properties: {} } } }
}
