/** Whether single keys do anything. They can be turned off: a screen reader, or a voice, may have other uses for them. */
const storage = 'posttrain-keys'

let on = $state(localStorage.getItem(storage) !== 'off')

export const keys = {
  get on(): boolean { return on },
  set on(value: boolean) {
    on = value
    localStorage.setItem(storage, value ? 'on' : 'off')
  },
}
