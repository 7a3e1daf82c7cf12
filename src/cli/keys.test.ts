import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Audit } from '../registry/audit.ts'
import { Keys } from '../registry/keys.ts'
import { openStore } from '../store/index.ts'
import { posttrain, type Ended } from './fixtures/command-line.ts'

const cwd = await mkdtemp(join(tmpdir(), 'posttrain-keys-'))
after(() => rm(cwd, { recursive: true, force: true }))

function keys(...args: string[]): Promise<Ended> {
  return posttrain(['keys', ...args, '--directory', 'data'], { cwd, env: {} })
}

test('keys are made, listed and revoked beside a running server', async () => {
  await using store = await openStore({ directory: join(cwd, 'data'), exclusive: true })
  const server = new Keys(store)

  const made = await keys('create', '--name', 'web\u001b[2J', '--scope', 'infer', '--scope', 'feedback', '--expires-in', '30')
  assert.equal(made.code, 0, made.log)
  const verified = await server.verify(made.out.trim())
  assert.deepEqual(verified?.scopes, ['infer', 'feedback'])

  const listed = await keys('list')
  assert.match(listed.out, new RegExp(`^${verified.id} .* infer,feedback  expires .*  "web\\\\u001b\\[2J"\n$`))
  assert.ok(!listed.out.includes(made.out.trim()))

  assert.equal((await keys('revoke', verified.id)).code, 0)
  assert.equal(await new Keys(store).verify(made.out.trim()), undefined)
  const { entries } = await new Audit(store).page()
  assert.deepEqual(entries.map(({ action, target }) => ({ action, target })), [
    { action: 'keys revoke', target: verified.id }, { action: 'keys create', target: verified.id },
  ])
})

test('wrong usage makes nothing', async () => {
  const wrong: readonly [args: string[], message: RegExp][] = [
    [['create', '--scope', 'infer'], /--name is missing/],
    [['create', '--name', 'a'], /--scope is missing/],
    [['create', '--name', 'a', '--scope', 'inferr'], /did you mean infer\?/],
    [['create', '--name', 'a', '--scope', 'infer', '--expires-in', '-1'], /--expires-in/],
    [['list'], /absent has no store\.sqlite/],
    [['revoke', 'key_1'], /absent has no store\.sqlite/],
    [['revoke'], /not understood: revoke/],
    [['remove', 'x'], /not understood: remove x/],
    [[], /say what to do/],
  ]
  for (const [args, message] of wrong) {
    const { code, out, log } = await posttrain(['keys', ...args, '--directory', 'absent'], { cwd, env: {} })
    assert.equal(code, 2, args.join(' '))
    assert.equal(out, '')
    assert.match(log, message)
  }
  await assert.rejects(rm(join(cwd, 'absent')), { code: 'ENOENT' })
})
