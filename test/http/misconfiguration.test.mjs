/*
 * `httpd -t` explains what is wrong with our part of a configuration, names
 * the directive and the cure, and fails where the server could not work.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { configTest } from './server.mjs';

const AS_ROOT = process.getuid() === 0;

/* [what, directives, tag, words to be found, does -t fail] */
const WRONG = [
    ['a state directory that is a file',
     'ChunkedUploadStateDir "@ROOT@/httpd.conf"', 'CU0151',
     ['ChunkedUploadStateDir', 'httpd.conf', 'is not a directory'], true],
    ['a root that is a file',
     'ChunkedUploadRoot "@ROOT@/httpd.conf"', 'CU0151',
     ['ChunkedUploadRoot', 'is not a directory'], true],
    ['a state directory below a file',
     'ChunkedUploadStateDir "@ROOT@/httpd.conf/state"', 'CU0151',
     ['ChunkedUploadStateDir'], true],
    ['a state directory in no directory',
     'ChunkedUploadStateDir "@ROOT@/none/such"', 'CU0157',
     ['cannot be made in', '/none:', 'make that directory'], true],
    ['a root in no directory',
     'ChunkedUploadRoot "@ROOT@/none/such"', 'CU0157',
     ['ChunkedUploadRoot', 'cannot be made in'], true],
    ['a root two levels below a state directory that will be made',
     'ChunkedUploadStateDir "@ROOT@/var/a"\nChunkedUploadRoot "@ROOT@/var/a/b/c"',
     'CU0157', ['ChunkedUploadRoot', '/var/a/b'], true],
    ['a state directory that everybody may write to',
     'ChunkedUploadStateDir /tmp', 'CU0152',
     ['can be written by', 'chmod 700 /tmp'], true],
    ['a root below the document root',
     'ChunkedUploadRoot "@ROOT@/htdocs/store"', 'CU0155',
     ['ChunkedUploadRoot', 'DocumentRoot', 'move it out'], false],
    ['a state directory below the document root of a host',
     'ChunkedUploadStateDir "@ROOT@/htdocs/b/s"\n'
     + '<VirtualHost *>\nDocumentRoot "@ROOT@/htdocs/b"\n</VirtualHost>',
     'CU0155', ['ChunkedUploadStateDir', 'DocumentRoot'], false],
    ['a type of DBM that nobody knows',
     'ChunkedUploadDBM oracle', '', ['ChunkedUploadDBM', 'sdbm'], true]
];
if (AS_ROOT) {
    WRONG.push(['a state directory that is somebody else\'s',
        'ChunkedUploadStateDir /usr', 'CU0153',
        ['belongs to user 0', 'run chown -R', '/usr'], true]);
}

for (const [what, conf, tag, words, fails] of WRONG) {
    test(`httpd -t explains ${what}`, () => {
        const { status, text } = configTest({ conf,
            files: { 'b/index.html': 'b' } });
        assert.equal(status !== 0, fails, text);
        assert.ok(text.includes(tag), text);
        for (const word of words) {
            assert.ok(text.includes(word), `"${word}" is not in: ${text}`);
        }
    });
}

/* Which drivers there are is the machine's affair; the sentence is ours. */
for (const driver of ['gdbm', 'ndbm', 'db', 'sdbm']) {
    test(`ChunkedUploadDBM ${driver}: it is there, or we say what is`, () => {
        const { status, text } = configTest({
            conf: `ChunkedUploadDBM ${driver}` });
        if (status !== 0) {
            assert.notEqual(driver, 'sdbm');
            assert.match(text, new RegExp(`CU0154: ChunkedUploadDBM ${driver}`
                + '.*use ChunkedUploadDBM sdbm'));
        }
    });
}

test('nothing is said of places that will do', () => {
    for (const conf of [
        'ChunkedUploadStateDir "@ROOT@/var/a/"',
        'ChunkedUploadStateDir "@ROOT@/var/a/"\n'
        + 'ChunkedUploadRoot "@ROOT@/var/a/bytes"',
        'ChunkedUploadRoot "@ROOT@/var/bytes/"']) {
        const { status, text } = configTest({ conf });
        assert.equal(status, 0, text);
        assert.doesNotMatch(text, /\bCU\d{4}:/);
    }
});
