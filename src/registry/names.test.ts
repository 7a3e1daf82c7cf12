import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UserError } from '../errors.ts'
import { checkName, folderName } from './names.ts'

test('names that are told apart and name no other place are taken', () => {
  for (const name of ['v7', 'support-bot', 'ft:HuggingFaceTB/SmolLM2-135M:icd10:a1b2c3', 'a.b_c+d@2', '_x', 'x'.repeat(200)]) {
    assert.equal(checkName(name, 'adapter'), name)
  }
})

test('names that a file system or a URL could read as another place are refused, with their kind and why', () => {
  const bad = [
    '', '.', '..', '../x', 'a/../b', 'a/..', 'a..b', '/etc/passwd', '//host/x', 'a//b', 'a/', '\\\\host\\share', 'a\\b', 'C:\\x', '%2e%2e', 'a%2fb',
    '.hidden', 'a/.b', '-rf', 'a b', 'a\nb', 'a\u0000b', 'a\u202eb', '\uff0e\uff0e', '<b>', "a';--", '~root', '$HOME', 'x'.repeat(201),
  ]
  for (const name of bad) {
    assert.throws(() => checkName(name, 'alias'), (error) => error instanceof UserError && error.exitCode === 2 && /^alias name /.test(error.message), name)
  }
})

test('a folder name is one plain part, and differs wherever names do, also in case alone', () => {
  const names = ['v7', 'ft:a/b:c', 'ft:a-b:c', 'ft-a-b-c', 'V7', 'x'.repeat(200), `${'x'.repeat(199)}y`]
  const folders = names.map(folderName)
  for (const folder of folders) assert.match(folder, /^[a-z0-9_-]{1,100}$/)
  assert.equal(new Set(folders).size, names.length)
  assert.equal(folderName('v7'), 'v7')
})
