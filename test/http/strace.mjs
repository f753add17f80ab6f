/*
 * Which system calls touch a file while something happens: strace on all
 * children of a server.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { until } from './server.mjs';

const READS = 'read,pread64,readv,preadv,preadv2,mmap,sendfile,splice,'
            + 'copy_file_range,ioctl';

/**
 * Run action() under strace.
 * @param name part of a path, e.g. "<id>.part"
 * @return lines of calls that read a descriptor of such a file
 */
export async function readsDuring(s, name, action)
{
    const out = path.join(s.root, `strace-${Date.now()}`);
    const pids = s.children().flatMap((pid) => ['-p', String(pid)]);
    const tracer = spawn('strace', ['-f', '-y', '-s', '0', '-e',
        `trace=openat,openat2,${READS}`, '-o', out, ...pids],
        { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    let ended = false;
    tracer.stderr.on('data', (data) => { said += data; });
    const done = new Promise((go, no) => {
        tracer.once('error', no);
        tracer.once('exit', () => { ended = true; go(); });
    });
    try {
        await Promise.race([done, until('strace to attach', () => {
            if (ended) {
                throw new Error(`strace: ${said}`);
            }
            return said.split('attached').length - 1 >= s.children().length;
        })]);
        await action();
    } finally {
        tracer.kill('SIGINT');
        await done;
    }
    const lines = fs.readFileSync(out, 'utf8').split('\n');
    const opened = lines.some((l) => l.includes('open'));
    assert.ok(opened, 'strace saw the children at work');
    return lines.filter((l) => l.includes(name) && !/\bopenat2?\(/.test(l));
}
