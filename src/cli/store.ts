import { backUp } from '../store/index.ts'
import { defineCommand, required, usageError } from './command.ts'

const usage = 'backup FOLDER --directory DIR'
const command = { name: 'store', usage }

/** `posttrain store`: what a server has written down. */
export const store = defineCommand({
  ...command,
  summary: 'back up what a server has stored',
  details: [
    'backup copies the database and the uploaded files of a server, which may be running, into a new folder; serve --directory',
    'takes that folder as it is. Adapters are folders of their own under DIR/adapters, and never change: copy them with any tool.',
  ].join('\n'),
  options: {
    directory: { type: 'string', value: 'DIR', help: 'the folder that serve --directory has' },
  },
  positionals: 2,
  async run({ positionals: [action, folder], options, json, terminal }) {
    if (action !== 'backup') throw usageError(command, action === undefined ? 'say what to do' : `not understood: ${action}`)
    if (folder === undefined) throw usageError(command, 'say into which folder')
    await backUp(required(command, 'directory', options.directory), folder)
    terminal.out(json ? `${JSON.stringify({ backup: folder })}\n` : `${folder}\n`)
  },
})
