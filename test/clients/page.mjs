/*
 * The demo's page as files of a test server, with the packages it loads.
 */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const DEMO = path.join(here, '../demo');
const PACKAGES = path.join(here, '../node_modules');

/* In the order in which a page loads them. */
export const LIBRARIES = ['jquery/dist/jquery.min.js',
    'blueimp-file-upload/js/vendor/jquery.ui.widget.js',
    'blueimp-file-upload/js/jquery.fileupload.js',
    'spark-md5/spark-md5.min.js'];

export const library = (name) => fs.readFileSync(path.join(PACKAGES, name));

/** For startServer({ files }). */
export function pageFiles()
{
    const files = {
        'upload/.htaccess': 'SetHandler chunked-upload\n'
                            + 'ChunkedUploadMaxBytes 100M\n'
    };
    for (const name of ['index.html', 'upload.js']) {
        files[name] = fs.readFileSync(path.join(DEMO, name));
    }
    for (const name of LIBRARIES) {
        files[`lib/${path.basename(name)}`] = library(name);
    }
    return files;
}
