shot () 
{ 
    $T capture-pane -p -t $1 | grep -v '^▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀.*▀▀▀$'
}
