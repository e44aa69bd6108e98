const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** A local time in the words of Python's strftime, in the C locale: what chat templates write stays English wherever the page is shown. */
export function strftime(date: Date, format: string): string {
  const two = (value: number, fill = '0'): string => String(value).padStart(2, fill);
  const hour = date.getHours() % 12 || 12;
  const start = new Date(date.getFullYear(), 0, 1);
  const values: Readonly<Record<string, () => string>> = {
    Y: () => String(date.getFullYear()), y: () => two(date.getFullYear() % 100), m: () => two(date.getMonth() + 1), d: () => two(date.getDate()), e: () => two(date.getDate(), ' '),
    b: () => MONTHS[date.getMonth()]!.slice(0, 3), B: () => MONTHS[date.getMonth()]!, a: () => DAYS[date.getDay()]!.slice(0, 3), A: () => DAYS[date.getDay()]!,
    H: () => two(date.getHours()), I: () => two(hour), M: () => two(date.getMinutes()), S: () => two(date.getSeconds()), p: () => (date.getHours() < 12 ? 'AM' : 'PM'),
    j: () => String(Math.round((new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime() - start.getTime()) / 864e5) + 1).padStart(3, '0'), '%': () => '%',
  };
  // `%-d`: without the zeros in front, as Linux has it.
  return format.replace(/%(-?)([a-zA-Z%])/g, (whole, plain: string, letter: string) => {
    const value = Object.hasOwn(values, letter) ? values[letter]!() : undefined;
    return value === undefined ? whole : plain ? value.replace(/^[0 ]+(?=.)/, '') : value;
  });
}
