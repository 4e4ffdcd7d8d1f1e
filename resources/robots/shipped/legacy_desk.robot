*** Settings ***
Documentation       Works the sandbox's legacy ticket desk, as a person at a browser would: sign in, find the ticket, look whether the note is
...                 there already, choose the queue, write the note, confirm, and see that it was saved.
...
...                 Given: ${ticket}, ${queue} (the desk's own name, or empty: stays), ${note}, ${mark} (what the note ends with), ${url}.
...                 From the environment: LEGACY_USER, LEGACY_PASSWORD.
Library             SeleniumLibrary    timeout=10s    run_on_failure=Capture Page Screenshot
Library             resources.robots.library.Aios
Task Setup          Begin
Task Teardown       Close All Browsers

*** Variables ***
${CHROMIUM}         /usr/bin/chromium
${CHROMEDRIVER}     /usr/bin/chromedriver
${FLAGS}            add_argument("--headless=new"); add_argument("--no-sandbox"); add_argument("--disable-gpu"); add_argument("--disable-quic"); add_argument("--no-first-run"); add_argument("--disable-background-networking"); add_argument("--disable-component-update"); add_argument("--disable-sync"); add_argument("--disable-dev-shm-usage"); add_argument("--window-size=1024,768")

*** Tasks ***
Write Action
    Sign In
    Find Ticket
    Look Before Writing
    Fill In
    Confirm
    Capture Page Screenshot    saved.png

*** Keywords ***
Begin
    Open Browser    ${url}/legacy    chrome
    ...    options=${FLAGS}; add_argument("--user-data-dir=${WORK_DIR}/profile"); binary_location="${CHROMIUM}"
    ...    service=executable_path="${CHROMEDRIVER}"
    Stop If The Desk Is Down

Sign In
    Input Text    id:user    %{LEGACY_USER}
    Input Password    id:password    %{LEGACY_PASSWORD}
    Click Button    id:login
    Stop If The Desk Is Down

Find Ticket
    Input Text    id:no    ${ticket}
    Click Button    id:find
    Stop If The Desk Is Down
    Stop If Signed Out
    ${gone}=    Run Keyword And Return Status    Page Should Contain    No such ticket
    IF    ${gone}    Ticket Is Gone
    Element Text Should Be    id:no    ${ticket}

Look Before Writing
    ${notes}=    Get Text    id:notes
    IF    $mark in $notes    Done Already
    ${status}=    Get Text    id:status
    IF    $status in ('solved', 'closed', 'deleted')    Changed Meanwhile    the ticket was ${status} before this action came

Fill In
    IF    $queue    Select From List By Label    id:queue    ${queue}
    IF    $note    Input Text    id:note    ${note}
    Capture Page Screenshot    filled.png
    Click Button    id:save
    Stop If The Desk Is Down
    Stop If Signed Out

Confirm
    Click Button    id:yes
    Stop If The Desk Is Down
    Stop If Signed Out
    ${error}=    Get Element Count    id:error
    IF    ${error}
        ${told}=    Get Text    id:error
        Changed Meanwhile    ${told}
    END
    Element Should Contain    id:saved    was saved

Stop If The Desk Is Down
    ${title}=    Get Title
    ${known}=    Evaluate    'TeleDesk' in $title
    IF    not ${known}    Try Again Later    the desk did not show one of its pages

Stop If Signed Out
    ${out}=    Run Keyword And Return Status    Page Should Contain    session has expired
    IF    ${out}    Try Again Later    the desk ended the session
