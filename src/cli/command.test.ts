import assert from 'node:assert/strict'
import { test } from 'node:test'

import { UserError } from '../errors.ts'
import { choiceOption, type Context, defineCommand, numberOption, runCommand, type Terminal } from './command.ts'

let seen: Context | undefined

const echo = defineCommand({
  name: 'echo',
  summary: 'says it again',
  usage: '[--times N] TEXT',
  options: { times: { type: 'string', short: 't', value: 'N', help: 'how often' }, loud: { type: 'boolean', help: 'in capitals' } },
  positionals: 1,
  run(context) {
    seen = context
    context.terminal.log.write('working\n')
    return Promise.resolve()
  },
})

async function run(...args: string[]): Promise<{ out: string; log: string }> {
  const written = { out: '', log: '' }
  const terminal: Terminal = {
    out: text => { written.out += text },
    log: { write: text => { written.log += text } },
    input: process.stdin,
  }
  seen = undefined
  await runCommand(echo, args, terminal, new AbortController().signal)
  return written
}

test('a command gets its options and arguments', async () => {
  assert.deepEqual(await run('-t', '3', 'hello'), { out: '', log: 'working\n' })
  assert.deepEqual({ ...seen?.options }, { times: '3' })
  assert.deepEqual(seen?.positionals, ['hello'])
  assert.equal(seen?.json, false)
})

test('--json silences the log', async () => {
  assert.deepEqual(await run('--json'), { out: '', log: '' })
  assert.equal(seen?.json, true)
})

test('--help says all of it and runs nothing', async () => {
  const { out } = await run('--help')
  assert.equal(seen, undefined)
  assert.match(out, /^says it again\n\nusage: posttrain echo \[--times N\] TEXT\n/)
  assert.match(out, /-t, --times N {2}how often\n {2}--loud {9}in capitals\n {2}--json/)
})

test('wrong usage exits with 2 and shows the usage', async () => {
  const refused = async (args: string[], message: RegExp) => {
    await assert.rejects(run(...args), (error: unknown) => {
      assert.ok(error instanceof UserError)
      assert.equal(error.exitCode, 2)
      assert.match(error.message, message)
      assert.match(error.message, /\nusage: posttrain echo \[--times N\] TEXT\n/)
      return true
    })
  }
  await refused(['--tiems', '3'], /^posttrain echo: unknown option --tiems; did you mean --times\?/)
  await refused(['--times'], /^posttrain echo: Option '-t, --times <value>' argument missing\n/)
  await refused(['a', 'b'], /^posttrain echo: unexpected argument b\n/)
})

test('numbers are checked against their range', () => {
  const range = { min: 0, max: 2 }
  assert.equal(numberOption('t', undefined, range), undefined)
  assert.equal(numberOption('t', '1e-1', range), 0.1)
  for (const text of ['-1', '3', 'NaN', 'Infinity', '', ' ', '1x']) {
    assert.throws(() => numberOption('t', text, range), /--t must be a number from 0 to 2, got/, text)
  }
  assert.throws(() => numberOption('n', '1.5', { min: 1, integer: true }), /--n must be a whole number at least 1, got 1\.5/)
})

test('choices name the nearest', () => {
  assert.equal(choiceOption('device', 'cpu', ['cpu', 'webgpu']), 'cpu')
  assert.throws(() => choiceOption('device', 'wbgpu', ['cpu', 'webgpu']), /must be one of cpu, webgpu, got wbgpu; did you mean webgpu\?/)
})
