import { createInterface } from 'node:readline/promises'

import { UserError } from '../errors.ts'
import type { Message } from '../models/tokenizer/tokenizer.ts'
import { defineCommand } from './command.ts'
import { answer, promptIds, readSampling, samplingOptions } from './generate.ts'
import { modelOptions, openModel } from './model-options.ts'

const usage = '--model MODEL [--adapter DIR] [--system TEXT]'

/** `posttrain chat`: a conversation, a line for each turn. */
export const chat = defineCommand({
  name: 'chat',
  summary: 'talk with a model',
  usage,
  details: '/reset begins anew, /exit or Ctrl-D ends. With --json, a line {"role", "content"} for each answer.',
  options: {
    ...modelOptions,
    system: { type: 'string', value: 'TEXT', help: 'a system turn at the beginning' },
    ...samplingOptions,
  },
  positionals: 0,
  async run(context) {
    const { options, json, terminal } = context
    const sampling = readSampling(options)
    await using model = await openModel({ name: 'chat', usage }, context)
    if (!model.tokenizer.hasTemplate) {
      throw new UserError('This model has no chat template: use posttrain generate, which takes plain text.')
    }
    const opening: Message[] = options.system === undefined ? [] : [{ role: 'system', content: options.system }]
    let messages = [...opening]
    for await (const line of lines(terminal.input, !json)) {
      const word = line.trim()
      if (word === '/exit') break
      if (word === '/reset') messages = [...opening]
      if (word === '' || word === '/reset') continue
      messages.push({ role: 'user', content: line })
      const { text } = await answer(model, promptIds(model.tokenizer, messages), sampling, json ? undefined : part => { terminal.out(part) })
      messages.push({ role: 'assistant', content: text })
      terminal.out(json ? `${JSON.stringify({ role: 'assistant', content: text })}\n` : '\n')
    }
  },
})

/** The lines that are typed or piped in, with a prompt on a terminal. */
async function* lines(input: NodeJS.ReadStream, prompt: boolean): AsyncGenerator<string> {
  const interactive = prompt && input.isTTY
  const reader = createInterface({ input, ...(interactive && { output: process.stderr }), prompt: '> ' })
  if (interactive) {
    // readline takes Ctrl-C for itself on a terminal.
    reader.on('SIGINT', () => { process.kill(process.pid, 'SIGINT') })
    reader.prompt()
  }
  for await (const line of reader) {
    yield line
    if (interactive) reader.prompt()
  }
}
